//! Systems that are no Linux: nothing can be given up there.

use super::{Granted, Needs, Part};

pub(super) fn give_up(_: i32, _: &Needs, _: &Granted) -> Vec<(Part, String)> {
    let parts = Part::ALL.into_iter().filter(|part| *part != Part::Dumps);
    parts.map(|part| (part, "this system is no Linux".to_owned())).collect()
}
