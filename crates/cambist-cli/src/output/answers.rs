//! What every report has to answer: what does the verdict mean, what will happen when, and what is to be done
//! next. On a first look, after twenty days, and while a key is being replaced.

use cambist_core::clock::Clock as _;
use clap::Parser as _;

use crate::cli::Cli;
use crate::testing::{HISTORY, Pod, TOKEN, held};

/// So wide that nothing is wrapped: the length of a test's directory is its own affair.
const WIDE: usize = 1000;

/// The answers and the keys of a check, without the findings; keys are called by their age, since each run makes
/// its own.
async fn answers(pod: &Pod, arguments: &str) -> String {
    // Under a `--now` a file's time, which is of the machine's clock, says nothing.
    let now = pod.sim.clock().wall().as_secs();
    let mut out = pod.run(&format!("issuer check --now {now}{arguments}")).await.out;
    let report = pod.json(&format!("issuer check --now {now}{arguments}")).await;
    for step in report["outlook"]["next"].as_array().unwrap() {
        let command = step["command"].as_str().unwrap();
        assert!(Cli::try_parse_from(command.split(' ')).is_ok(), "{command}");
    }
    out = out.replace(&pod.dir.path().display().to_string(), "DIR");
    for (key, name) in pod.sim.issuer().keys().iter().zip(["FIRST-KEY---", "SECOND-KEY--"]) {
        let short: String = key.kid.chars().take(12).collect();
        out = out.replace(&key.kid, name).replace(&short, name);
    }
    let (head, rest) = out.split_once("\n\n").unwrap();
    let mut rows: Vec<_> = rest.split("\n\n").next().unwrap().lines().collect();
    // Below their heads they are sorted by thumbprints.
    let last = rows.len() - 1;
    rows[1..last].sort_unstable();
    format!("{head}\n\n{}\n", rows.join("\n"))
}

#[tokio::test(start_paused = true)]
async fn a_first_look() {
    let mut pod = Pod::new();
    pod.columns = Some(WIDE);
    held("testdata/answers/first-look.txt", &answers(&pod, "").await);
}

#[tokio::test(start_paused = true)]
async fn day_twenty() {
    let mut pod = Pod::new();
    pod.columns = Some(WIDE);
    pod.days(20).await;
    held("testdata/answers/day-20.txt", &answers(&pod, &format!(" {TOKEN} {HISTORY}")).await);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_under_way() {
    let mut pod = Pod::new();
    pod.columns = Some(WIDE);
    pod.days(20).await;
    pod.sim.issuer().rotate(true).unwrap();
    pod.kubelet.project().unwrap();
    pod.days(2).await;
    held("testdata/answers/rotation.txt", &answers(&pod, &format!(" {TOKEN} {HISTORY}")).await);
}

/// README.md shows what becomes of the first look's UNKNOWN, in the block below this file's name.
#[tokio::test(start_paused = true)]
async fn what_unknown_becomes() {
    const MARK: &str = "<!-- tried: crates/cambist-cli/src/output/answers.rs -->\n```text\n";
    let mut pod = Pod::new();
    pod.columns = Some(92);
    let mut shown = String::new();
    let mut day = 0;
    for (days, act) in [(20, "nothing"), (30, "nothing"), (2, "rotate"), (2, "retire")] {
        match act {
            "rotate" => pod.sim.issuer().rotate(true).map(drop).unwrap(),
            "retire" => pod.sim.issuer().retire(1),
            _ => {}
        }
        pod.days(days).await;
        day += days;
        let told = answers(&pod, &format!(" {TOKEN} {HISTORY}")).await;
        let told = told.replace("FIRST-KEY---", "h4LAF13svKXk");
        // What the line begins with is as wide as the day.
        let verdict = told.lines().skip_while(|line| !line.starts_with("verdict"));
        let more = verdict.clone().skip(1).take_while(|line| line.starts_with(' '));
        let first =
            verdict.take(1).map(|line| line.replace("verdict   ", &format!("day {day}    ")));
        shown.extend(first.chain(more.map(str::to_owned)).map(|line| line + "\n"));
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));
    let page = page.unwrap();
    let (before, rest) = page.split_once(MARK).expect("README.md has the block");
    let (_, after) = rest.split_once("```\n").expect("a block ends");
    held("../../README.md", &format!("{before}{MARK}{shown}```\n{after}"));
}

/// Nothing is cut off, and no line is longer than the terminal.
#[tokio::test(start_paused = true)]
async fn every_width_holds_everything() {
    let mut pod = Pod::new();
    pod.days(20).await;
    pod.sim.issuer().rotate(true).unwrap();
    pod.kubelet.project().unwrap();
    pod.days(2).await;
    let kid = pod.sim.issuer().signer().kid().to_owned();
    for command in [
        format!("issuer check {TOKEN} {HISTORY} --read-only"),
        "issuer check".to_owned(),
        format!("issuer history {HISTORY}"),
        format!("issuer explain {kid} {TOKEN} {HISTORY}"),
        "issuer explain K505".to_owned(),
        format!("issuer plan {TOKEN} {HISTORY}"),
        format!("issuer diff {HISTORY}"),
    ] {
        let mut words = Vec::new();
        for width in [60, 80, 100, 200] {
            pod.columns = Some(width);
            let out = pod.run(&command).await.out;
            let longest = out.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(longest.chars().count() <= width, "{command} at {width}: {longest}\n{out}");
            // Without spaces, ends of lines, and the heads that paragraphs have for each cell.
            words.push(out.matches(|c: char| c.is_ascii_digit()).count());
        }
        assert!(words.iter().all(|count| *count == words[0]), "{command}: {words:?}");
    }
}

/// The dates that are told are those on which it happens.
#[tokio::test(start_paused = true)]
async fn what_is_ahead_comes_true() {
    let pod = Pod::new();
    pod.days(20).await;
    let asked = format!("issuer check {HISTORY} {TOKEN} --read-only");
    let told = async |verdict: &str| {
        let report = pod.json(&asked).await;
        let at = report["decidesAt"].as_i64().unwrap();
        let ahead = report["outlook"]["ahead"].to_string();
        let day = report["decidesAtUtc"].as_str().unwrap().split('T').next().unwrap().to_owned();
        assert!(ahead.contains(&format!("{verdict} from {day}")), "{report:#}");
        let after = async |seconds: i64| {
            let now = at + seconds;
            pod.json(&format!("{asked} --now {now}")).await["verdict"].clone()
        };
        assert_eq!((after(-60).await, after(60).await), ("UNKNOWN".into(), verdict.into()));
    };
    told("DUE").await;
    pod.sim.issuer().rotate(true).unwrap();
    pod.days(2).await;
    pod.sim.issuer().retire(1);
    pod.days(1).await;
    let report = pod.json(&asked).await;
    assert_eq!(report["verdict"], "OK", "as soon as a replacement is seen and the old key is gone");
    assert!(report["outlook"]["ahead"][0].as_str().unwrap().contains("; DUE from "), "{report:#}");
}
