//! Callers: how each is known, and what it may have.

use std::collections::HashMap;
use std::path::Path;

use cambist_core::foreign::Foreign;
use cambist_core::policy::Caller;

use super::Resolve;
use crate::identities::{KnownBy, MOST_CALLERS, SECRET_VARIABLE};
use crate::policy_file::CallerEntry;

/// One way to know a caller.
#[derive(PartialEq, Eq, Hash)]
enum Way<'e> {
    File(&'e Path),
    Variable(&'e str),
    Nothing,
}

impl Resolve<'_> {
    pub(super) fn callers(
        &mut self,
        entries: &[CallerEntry],
        names: &[&str],
    ) -> (Vec<Caller>, Vec<KnownBy>) {
        self.count("callers", entries.len(), MOST_CALLERS);
        self.names("callers", entries.iter().map(|it| &*it.name));
        let mut ways = HashMap::new();
        let mut made = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            let known_by = self.known_by(n, entry, &mut ways);
            let mut caller = match entry.anonymous {
                true => Caller::anonymous(&*entry.name),
                false => Caller::new(&*entry.name),
            };
            for (m, right) in entry.may.iter().enumerate() {
                let at = format!("callers[{n}].may[{m}]");
                let resources = self.resources(&format!("{at}.resources"), &right.resources);
                if let Some(place) = self.place(&right.identity, names, &format!("{at}.identity")) {
                    caller = caller.may(place, resources);
                }
            }
            made.push((caller, known_by));
        }
        made.into_iter().unzip()
    }

    fn known_by<'e>(
        &mut self,
        n: usize,
        entry: &'e CallerEntry,
        ways: &mut HashMap<Way<'e>, &'e str>,
    ) -> KnownBy {
        let at = format!("callers[{n}]");
        let mut own = Vec::new();
        for (m, path) in entry.secret_files.iter().enumerate() {
            own.push((Way::File(path), format!("{at}.secret_files[{m}]")));
        }
        if let Some(name) = &entry.secret_variable {
            let path = format!("{at}.secret_variable");
            if !name.starts_with(SECRET_VARIABLE) {
                let problem = format!(
                    "{} does not begin with {SECRET_VARIABLE}, as it has to",
                    Foreign::new(&**name)
                );
                self.fault(&*path, problem);
            }
            own.push((Way::Variable(name), path));
        }
        if entry.anonymous {
            own.push((Way::Nothing, format!("{at}.anonymous")));
        }
        for (way, path) in own {
            if let Some(first) = ways.insert(way, &entry.name) {
                let problem = match first == entry.name {
                    true => "it is there twice".to_owned(),
                    false => format!("{first} is known by that; each caller needs its own"),
                };
                self.fault(path, problem);
            }
        }
        match (&*entry.secret_files, &entry.secret_variable, entry.anonymous) {
            ([_] | [_, _], None, false) => KnownBy::Files(entry.secret_files.clone()),
            ([], Some(name), false) => KnownBy::Variable(name.clone()),
            ([], None, true) => KnownBy::Nothing,
            ([], None, false) => {
                let problem = "nothing says how it is known: secret_files, secret_variable, or anonymous: true";
                self.fault(&*at, problem);
                KnownBy::Nothing
            }
            ([_, _, _, ..], None, false) => {
                let problem = "two secrets are enough for one to replace the other";
                self.fault(format!("{at}.secret_files[2]"), problem);
                KnownBy::Nothing
            }
            _ => {
                let problem = "it is known in more than one way; keep one of secret_files, secret_variable and anonymous";
                self.fault(&*at, problem);
                KnownBy::Nothing
            }
        }
    }
}
