//! docs/rotate.md: its commands are run in its order, and what it shows is what they print.

use cambist_key_age::rotation::Act;

use super::Cluster;
use crate::testing::held;

const PAGE: &str = include_str!("../../../../docs/rotate.md");

/// What the page calls the keys; each run has its own.
const OLD: &str = "Zk3bW0vQ8Yc1s7TtUuXy5dGmJ2aLhRpE9nFqC4oKiVw";
const NEW: &str = "h4LAF13svKXkPz8QmT2bYw6RjN0cUoDe5GsHfVi7LxM";

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_its_commands_print() {
    let mut cluster = Cluster::new().await;
    cluster.pod.columns = Some(100);
    let (mut page, mut out) = (String::new(), String::new());
    // Whether these lines are commands, or what was printed before.
    let (mut commands, mut printed, mut run) = (false, false, 0);
    for line in PAGE.lines() {
        if line == "```" {
            (commands, printed) = (false, false);
        } else if printed {
            continue;
        }
        page.push_str(line);
        page.push('\n');
        if line == "```text" {
            printed = true;
            page.push_str(&out);
        }
        commands |= line == "```sh";
        if let Some(asked) = line.strip_prefix("cambist ").filter(|_| commands) {
            out = output(&cluster, asked).await;
            run += 1;
        }
        let told = |name: &str| line.strip_prefix(name)?.strip_suffix(" -->");
        if let Some(name) = told("<!-- done: ") {
            let act = Act::ALL.into_iter().find(|act| format!("{act:?}").to_lowercase() == name);
            cluster.bring_about(act.unwrap()).await;
        }
        if let Some(hours) = told("<!-- hours: ") {
            cluster.pass(hours.parse().unwrap()).await;
        }
    }
    assert!(run >= 7, "{run} commands");
    held("../../docs/rotate.md", &page);
    let failures = cluster.tally.failures();
    assert!(failures.is_empty(), "{:?}", failures.first());
}

async fn output(cluster: &Cluster, asked: &str) -> String {
    let asked = asked.replace("file:history", "file:{dir}/history");
    let asked = asked.replace("old.pub", "{dir}/old.pub").replace("new.pub", "{dir}/new.pub");
    // A pod finds its token and its authority by itself.
    let asked =
        asked.replace("--in-cluster", "--in-cluster --api-token-file {dir}/app-0/api-token");
    let said = cluster.pod.run(&asked).await;
    assert!(said.err.is_empty(), "{asked}: {said:?}");
    said.out.replace(cluster.old.kid(), OLD).replace(cluster.new.kid(), NEW)
}
