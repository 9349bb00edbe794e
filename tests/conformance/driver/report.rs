//! What the run has come to so far, told as it comes.

use std::any::Any;
use std::path::Path;
use std::process::ExitCode;

use tokio::task::JoinError;

use crate::apps::Seen;
use crate::cases::{Case, Cell};
use crate::matrix::Matrix;
use crate::stage::Protocol;
use crate::symptoms;

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// By a case.
    Cell(Cell),
    /// About an example app.
    App(String, Seen),
}

/// Something that was played to its end.
#[derive(Debug)]
pub(crate) struct Played {
    /// In words.
    pub(crate) what: String,
    /// Where it stands in the tables.
    pub(crate) place: Option<(&'static str, Protocol, Case)>,
    /// What came of it.
    pub(crate) found: Result<Found, JoinError>,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The tables.
    pub(crate) matrix: Matrix,
    passed: usize,
    failed: Vec<String>,
}

impl Report {
    /// Takes in what was played.
    pub(crate) fn take(&mut self, played: Played) {
        let Played { what, place, found } = played;
        match (found, place) {
            (Ok(Found::Cell(cell)), Some((name, protocol, case))) => {
                println!("ok      {what}: {}", cell.text);
                self.matrix.cells.push((name, protocol, case, cell));
            }
            (Ok(Found::App(app, seen)), _) => {
                println!("ok      {what}: let in by {:?}", seen.service);
                self.matrix.apps.push((app, seen));
            }
            (Ok(Found::Cell(_)), None) => panic!("{what} has no place in the tables"),
            (Err(error), place) => {
                self.matrix.failed.extend(place);
                return self.fail(&what, error);
            }
        }
        self.passed += 1;
    }

    /// Notes that something fell over.
    pub(crate) fn fail(&mut self, what: &str, error: JoinError) {
        let why = words(&*error.into_panic());
        println!("FAILED  {what}: {why}\n");
        self.failed.push(format!("{what}: {why}"));
    }

    /// Writes the tables, and says how it ended.
    pub(crate) fn close(mut self, page: &Path, symptoms: &Path) -> ExitCode {
        self.matrix.apps.sort_by(|one, other| one.0.cmp(&other.0));
        std::fs::write(page, self.matrix.page()).expect("the page can be written");
        std::fs::write(symptoms, symptoms::page(&self.matrix)).expect("the page can be written");
        for failure in &self.failed {
            println!("FAILED  {failure}");
        }
        let (passed, failed) = (self.passed, self.failed.len());
        println!(
            "conformance: {passed} passed, {failed} failed, {} skipped",
            self.matrix.skipped.len()
        );
        if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What was said when a case fell over.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it gave no words for it").to_owned()
}
