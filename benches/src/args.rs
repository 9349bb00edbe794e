//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures cambist against its references, in interleaved rounds, and judges the medians of the
/// rounds' ratios. Exits 0 if every floor holds, 1 if one does not, 2 if nothing could be judged.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bench -p cambist-benches --",
    bin_name = "cargo bench -p cambist-benches --"
)]
pub(crate) struct Args {
    /// How many rounds; the median of their ratios is judged
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long one server is loaded at a time, in seconds; an in-process measurement takes a tenth
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Only this part
    #[arg(long)]
    pub(crate) only: Option<Part>,
    /// Measure beside this sidecar, of an earlier build, and nothing else
    #[arg(long, value_name = "PATH", conflicts_with = "only")]
    pub(crate) against: Option<PathBuf>,
    /// Count a request's instructions under valgrind, and measure nothing else
    #[arg(long, conflicts_with = "only")]
    pub(crate) instructions: bool,
    /// Measure this sidecar instead of building one
    #[arg(long, value_name = "PATH")]
    pub(crate) sidecar: Option<PathBuf>,
    /// What Cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The credential within this process, against azure_identity's
    InProcess,
    /// The sidecar, against a bare hyper responder
    Http,
    /// The sidecar's size, its start and its memory
    Start,
    /// The sidecar with a thousand identities, against one with a single one
    Identities,
}

impl Args {
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("from 0.1 to 600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_takes_what_cargo_adds() {
        Args::command().debug_assert();
        let args = Args::parse_from(["ratios", "--only", "http", "--seconds", "0.5", "--bench"]);
        assert!(args.wants(Part::Http) && !args.wants(Part::InProcess));
        for bad in ["0", "-1", "NaN", "x"] {
            assert!(Args::try_parse_from(["ratios", "--seconds", bad]).is_err(), "{bad}");
        }
    }
}
