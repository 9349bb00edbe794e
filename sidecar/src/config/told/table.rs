//! The effective policy as tables.

use std::fmt::Write as _;

use cambist::config::IdentityKind;
use cambist::identities::{Identities, KnownBy};

/// Who the tokens are for.
pub(super) fn identities(all: &Identities) -> String {
    let head = [
        "identity",
        "client id",
        "tenant",
        "authority",
        "projected token",
        "prefetched",
        "for at most",
    ];
    let each = all.identities.iter().zip(all.policy.identities()).enumerate();
    let rows = each.map(|(n, (identity, known))| {
        let default = if all.policy.default_identity() == Some(n) { " (default)" } else { "" };
        let agent = match &identity.kind {
            IdentityKind::Agent { blueprint } => format!(" (agent of {blueprint})"),
            _ => String::new(),
        };
        [
            format!("{}{default}", known.name),
            format!("{}{agent}", identity.client_id),
            identity.tenant_id.to_string(),
            identity.authority.host().to_owned(),
            identity.token_file.display().to_string(),
            words(&identity.prefetch),
            known.resources.as_deref().map_or("anything".to_owned(), words),
        ]
    });
    table(head, rows)
}

/// Who may have them, and what for.
pub(super) fn callers(all: &Identities) -> String {
    let head = ["caller", "known by", "may have tokens of", "for"];
    let callers = all.policy.callers().iter().zip(&all.known_by);
    let rows = callers.flat_map(|(caller, known_by)| {
        let known_by = match known_by {
            KnownBy::Files(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                format!("the secret in {}", paths.join(" or "))
            }
            KnownBy::Variable(name) => format!("the secret in {name}"),
            _ => "nothing: whoever asks by imds".to_owned(),
        };
        let row = |identity: &str, resources: String| {
            [caller.name().to_owned(), known_by.clone(), identity.to_owned(), resources]
        };
        let name = |at: usize| all.policy.identities().get(at).map_or("", |it| &it.name);
        let rights = caller.rights();
        let mut rows: Vec<_> = rights.map(|(at, list)| row(name(at), words(list))).collect();
        if rows.is_empty() {
            rows.push(row("nobody", "nothing".to_owned()));
        }
        rows
    });
    table(head, rows)
}

fn words<T: std::fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    match (&*items, items.iter().any(|it| it == "*")) {
        ([], _) => "none".to_owned(),
        (_, true) => "anything".to_owned(),
        _ => items.join(", "),
    }
}

/// Columns as wide as what is in them, two blanks apart.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text.trim_end().to_owned()
}
