//! Outputs: each a function from a report to text.

use crate::cli::issuer::{Format, When};
use crate::report::Report;
use crate::world::World;

pub(crate) mod doctor;
pub(crate) mod file;
mod html;
mod junit;
pub(crate) mod layout;
mod moments;
pub(crate) mod outlook;
mod prometheus;
mod sarif;
pub(crate) mod shell;
pub(crate) mod table;

/// The report in a form.
pub(crate) fn render(report: &Report, format: Format, color: bool, width: usize) -> String {
    match format {
        Format::Table => table::render(report, color, width),
        Format::Json => json(report),
        Format::Sarif => json(&sarif::render(report)),
        Format::Junit => junit::render(report),
        Format::Prometheus => prometheus::render(report),
        Format::Html => html::render(report),
    }
}

/// JSON for people and programs alike, with a newline at its end.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    // Nothing here has a map whose keys are no texts, all that could fail.
    let text = serde_json::to_value(value).and_then(|mut value| {
        moments::told(&mut value);
        serde_json::to_string_pretty(&value)
    });
    text.unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}")) + "\n"
}

/// Whether a table may have colours: on a terminal, unless `NO_COLOR` is set (no-color.org).
pub(crate) fn color(when: When, to_file: bool, world: &World<'_>) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let dumb = world.env.get("TERM").is_some_and(|term| term == "dumb");
            world.terminal && !to_file && !dumb && world.env.get("NO_COLOR").is_none()
        }
    }
}

#[cfg(test)]
mod answers;
#[cfg(test)]
mod tests;
