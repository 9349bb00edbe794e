//! Files that change while apps ask.

use kit::program::Program;
use kit::reloads::{IN_A_ROUND, Kind, Outcome, Play, Stage, counted, counts};
use kit::volume::Way;
use kit::{Sidecar, in_time};
use tokio::time::Instant;

use crate::SIDECAR;

/// The whole of it is among the strain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_each_kind_change_and_no_request_fails() {
    let mut play = Play::begin().await;
    for _ in 0..3 {
        play.round().await;
    }
    let tally = play.end().await;
    assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
    assert!(tally.answered > 10 * IN_A_ROUND, "{tally:?}");
}

#[tokio::test]
#[ignore = "slow: waits for several looks at the files"]
async fn the_program_looks_at_each_kind_of_file_every_few_seconds() {
    let mut stage = Stage::new().await;
    let mut program = Program::new(SIDECAR).set("CAMBIST_LOG", "info");
    for (name, value) in stage.env() {
        program = program.set(&name, value);
    }
    let sidecar = Sidecar::of(SIDECAR, stage.world(), program).await;
    let (admin, load) = (sidecar.admin(), stage.load(sidecar.tokens()));
    let started = Instant::now();
    for kind in [Kind::Policy, Kind::Secret, Kind::Ca] {
        stage.better(kind, Way::Swap, &load);
    }
    for kind in [Kind::Policy, Kind::Ca] {
        counts(admin, kind, Outcome::Applied, 0).await;
    }
    stage.settled(Kind::Policy, &load);
    stage.settled(Kind::Secret, &load);
    // The policy and the secrets that it names are one, and are taken up as one.
    assert_eq!(counted(admin, Kind::Policy, Outcome::Applied).await, 1);
    in_time("a token", load.ask_cold()).await;
    // What the first look finds of a token is taken for what it was all along.
    stage.better(Kind::Token, Way::Swap, &load);
    for kind in [Kind::Policy, Kind::Ca] {
        stage.worse(kind, Way::Rewrite);
    }
    counts(admin, Kind::Token, Outcome::Applied, 0).await;
    for kind in [Kind::Policy, Kind::Ca] {
        counts(admin, kind, Outcome::Refused, 0).await;
    }
    // Five seconds at most until the next look, half of one until it has settled, twice; and some for a
    // busy machine.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    let tally = load.end();
    assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
    let log = sidecar.log();
    for (word, words) in [
        ("\"outcome\":\"applied\"", "\"what\":\"policy\""),
        ("\"outcome\":\"refused\"", "identities.yaml"),
        ("\"outcome\":\"refused\"", "ca.crt"),
        ("\"setting\":\"CAMBIST_", "\"path\":\"/"),
        ("INFO", "token/token"),
    ] {
        let told = |line: &str| line.contains(word) && line.contains(words);
        assert!(log.lines().any(told), "{words} is not told of in {log}");
    }
    sidecar.stop().await;
}
