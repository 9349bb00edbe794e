//! The orders: those that are printed lose no request, and the wrong ones do.

use std::collections::BTreeMap;

use cambist_core::clock::Clock as _;
use cambist_key_age::Platform;
use cambist_key_age::rotation::{Act, Course};

use super::apps::What;
use super::{Cluster, ENTRA_KEEPS, PAUSE, RESTART};

/// One platform for each distinct order, whatever platforms there are.
fn distinct() -> Vec<Platform> {
    let mut orders = BTreeMap::new();
    for platform in Platform::ALL {
        if let Course::Steps { steps, .. } = Course::of(platform) {
            let acts: Vec<_> = steps.iter().map(|step| step.acts).collect();
            orders.entry(acts).or_insert(platform);
        }
    }
    orders.into_values().collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_printed_interrupts_nobody() {
    interrupts_nobody(&distinct()[..1]).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: weeks of requests for each platform, half a minute of work in a debug build"]
async fn each_order_that_is_printed_interrupts_nobody() {
    let platforms = distinct();
    assert!(platforms.len() >= 5, "{platforms:?}");
    interrupts_nobody(&platforms).await;
}

async fn interrupts_nobody(platforms: &[Platform]) {
    for &platform in platforms {
        let cluster = Cluster::new().await;
        let steps = cluster.plan(platform).await;
        let at_once = steps
            .iter()
            .any(|step| [Act::Publish, Act::Sign].iter().all(|act| step.acts.contains(act)));
        let begun = cluster.pod.sim.clock().wall();
        cluster.walk(&steps).await;
        let counts = [What::Held, What::New, What::Api].map(|what| cluster.tally.count(what));
        assert!(counts.iter().all(|count| *count >= 100), "{platform}: {counts:?}");
        assert!(counts.iter().sum::<usize>() >= 500, "{platform}: {counts:?}");
        let mut lost = cluster.tally.failures();
        if at_once {
            // What the platform does in one go, Entra learns of later: until then it refuses whoever asks with a
            // token of the new key, and held tokens last until they end. The API servers refuse nobody.
            assert!(!lost.is_empty(), "{platform}: the plan need not warn of it");
            let learnt = begun + RESTART * 4 + ENTRA_KEEPS + PAUSE;
            lost.retain(|it| it.what == What::Api || it.at > learnt);
        }
        assert!(lost.is_empty(), "{platform}: {} lost, first {:?}", lost.len(), lost.first());
    }
}

/// Walks these acts without asking, and returns how many requests were lost of which kind.
async fn lost(cluster: &Cluster, acts: &[(u32, Act)]) -> usize {
    assert!(cluster.tally.failures().is_empty());
    for (hours, act) in acts {
        cluster.pass(*hours).await;
        cluster.bring_about(*act).await;
    }
    cluster.pass(3).await;
    cluster.tally.failures().len()
}

#[tokio::test(start_paused = true)]
async fn each_wrong_order_interrupts_somebody_and_its_gate_says_no() {
    use Act::{Accept, Drop, Publish, Sign, Withdraw};
    let sign = "cambist issuer gate sign new.pub ...";
    let retire = "cambist issuer gate retire old.pub ...";
    let publish = "cambist issuer gate publish new.pub ...";
    // What is done before the gate is asked, and what is done although it says no.
    type Acts = &'static [(u32, Act)];
    let wrong: [(&str, Acts, &str, Acts); 5] = [
        ("new key first", &[], publish, &[(0, Sign), (0, Accept), (0, Publish)]),
        ("signs before it is published", &[(0, Accept)], sign, &[(0, Sign), (0, Publish)]),
        ("signs before the wait is over", &[(0, Accept), (0, Publish)], sign, &[(0, Sign)]),
        ("withdrawn early", &[(0, Accept), (0, Publish), (25, Sign)], retire, &[(0, Withdraw)]),
        ("dropped early", &[(0, Accept), (0, Publish), (25, Sign)], retire, &[(0, Drop)]),
    ];
    for (name, before, gate, then) in wrong {
        let cluster = Cluster::new().await;
        for (hours, act) in before {
            cluster.pass(*hours).await;
            if *act == Sign {
                // Pods that start a moment before: their tokens of the old key last longest.
                cluster.apps.iter().for_each(|app| app.kubelet.project().unwrap());
            }
            cluster.bring_about(*act).await;
        }
        assert_eq!(cluster.ask(gate).await, 1, "{name}");
        let lost = lost(&cluster, then).await;
        assert!(lost > 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lacks_the_key_refuses_the_tokens_of_the_others() {
    let cluster = Cluster::new().await;
    cluster.pod.sim.apis()[0].accept(&[cluster.old.clone(), cluster.new.clone()]);
    assert_eq!(cluster.ask("cambist issuer gate publish new.pub ...").await, 1);
    assert!(lost(&cluster, &[(0, Act::Publish), (25, Act::Sign)]).await > 0);
    assert!(cluster.tally.failures().iter().all(|it| it.what == What::Api));
}
