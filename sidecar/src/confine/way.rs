//! The way of a path through the file system, link by link.

use std::ffi::OsString;
use std::fs::read_link;
use std::path::{Path, PathBuf};

/// Most links on a way, as Linux has it.
const MOST_LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The links on it, each in a directory that is told without any.
    pub links: Vec<PathBuf>,
    /// Where it ends, told without links. There may be nothing yet.
    pub end: PathBuf,
}

impl Way {
    /// Looks now.
    pub(super) fn of(path: &Path) -> Self {
        let Self { mut links, mut end } = Self::default();
        // Only an empty path has none.
        let mut ahead = std::path::absolute(path).map(|path| steps(&path)).unwrap_or_default();
        while let Some(step) = ahead.pop() {
            if step == ".." {
                end.pop();
                continue;
            }
            let next = end.join(&step);
            match read_link(&next) {
                // One that turns in a circle ends at a link, which leads to nothing.
                Ok(to) if links.len() < MOST_LINKS => {
                    links.push(next);
                    ahead.extend(steps(&to));
                }
                _ => end = next,
            }
        }
        Self { links, end }
    }
}

/// The last first.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().rev().map(|step| step.as_os_str().to_owned());
    steps.filter(|step| step != ".").collect()
}
