//! The tables, in Markdown, out of what was seen.

use std::fmt::Write as _;

use crate::apps::Seen;
use crate::cases::{Case, Cell, Table};
use crate::sdk::SDKS;
use crate::stage::Protocol;

/// All that was seen.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    /// Each SDK that was there, with its version.
    pub(crate) sdks: Vec<(&'static str, String)>,
    /// What each case came to.
    pub(crate) cells: Vec<(&'static str, Protocol, Case, Cell)>,
    /// Each example app, with what was seen of it.
    pub(crate) apps: Vec<(String, Seen)>,
    /// The cases that failed.
    pub(crate) failed: Vec<(&'static str, Protocol, Case)>,
    /// What the clients were run by.
    pub(crate) seen_with: String,
    /// What could not be seen, and why.
    pub(crate) skipped: Vec<String>,
}

const INTRODUCTION: &str = "\
# What each Azure SDK, and what people use beside them, does with cambist

Written by `tests/conformance/run --write` from what it saw; not by hand. Each cell is one case, played with a sidecar, a
simulated Entra and a process of its own. *2 in 0.3 s* means that two requests reached the sidecar and that the SDK was
done after 0.3 seconds (on two busy cores; only the order of magnitude tells). – means that the SDK or the protocol has no
such thing.
";

fn about(table: Table) -> (&'static str, &'static str) {
    match table {
        Table::Tokens => (
            "Tokens",
            "*Again* is the same call once more, *a lifetime* a loop of calls for longer than the token is kept (OpenDAL, \
             librdkafka and Terraform keep theirs for longer than the loop lasts). Curl, `fetch`, msrestazure and the Azure CLI \
             keep nothing between two calls: there each call is a request, which cambist answers from its own cache. *Too old* \
             is a token with less left than the client wants it to have: 5 minutes for most, 2 for PyArrow, 20 for Terraform.",
        ),
        Table::Identities => (
            "Several identities",
            "The sidecar has a file (`CAMBIST_CONFIG`) of three identities, one of them in another tenant, and a caller that may \
             have all three, with no default. One process asks for each of them in turn, and whose token it gets is held \
             against its claims; then for a fourth, which is refused after one attempt, and the developer reads why. By \
             `AZURE_CLIENT_ID`, which a `DefaultAzureCredential` reads, three processes ask. Who names none is not given any: \
             one attempt, and the developer reads which there are. (OpenDAL and PyArrow show nothing of either: cambist's log \
             has it. Signing in, the Azure CLI makes a request for each of its own.)",
        ),
        Table::Lasting => (
            "Trouble that lasts",
            "One attempt, and the developer reads cambist's reason: each is held against that. (In the column *no resource* \
             the Azure CLI has signed in first, which is a request of its own.) OpenDAL and PyArrow show nothing of what they are \
             answered: there cambist's log was held against it.",
        ),
        Table::Passing => (
            "Trouble that may pass",
            "*Throttled once* ends with a token where the SDK tries again. The other columns are Entra failing for as long as \
             the SDK asks; the developer reads cambist's reason in the end, but not with OpenDAL, PyArrow, librdkafka and \
             Terraform, where cambist's log has it. obstore tries again at once, whatever pause it is told.",
        ),
        Table::Proxies => (
            "A proxy in the app's environment",
            "With `NO_PROXY=127.0.0.1,localhost` nothing reaches the proxy: that is held. Without it, it is up to the SDK.",
        ),
    }
}

impl Matrix {
    /// The page.
    pub(crate) fn page(&self) -> String {
        let mut page = INTRODUCTION.to_owned();
        page += "\n| client | SDK |\n|---|---|\n";
        for (name, version) in &self.sdks {
            let _ = writeln!(page, "| {name} | {version} |");
        }
        for why in &self.skipped {
            let _ = writeln!(page, "\n**Not tried:** {why}.");
        }
        let tables =
            [Table::Tokens, Table::Identities, Table::Lasting, Table::Passing, Table::Proxies];
        for table in tables {
            self.table(&mut page, table);
        }
        self.readings(&mut page);
        self.services(&mut page);
        page
    }

    fn table(&self, page: &mut String, table: Table) {
        let (title, about) = about(table);
        let cases: Vec<_> = Case::all().filter(|case| case.table() == Some(table)).collect();
        let _ = write!(page, "\n## {title}\n\n{about}\n\n| client | protocol |");
        for case in &cases {
            let _ = write!(page, " {} |", case.names().1);
        }
        page.push_str("\n|---|---|");
        page.push_str(&"---|".repeat(cases.len()));
        page.push('\n');
        for sdk in SDKS {
            for protocol in sdk.protocols.iter().copied() {
                let cell = |case: &Case| self.cell(sdk.name, protocol, *case);
                if cases.iter().all(|case| cell(case).is_none()) {
                    continue;
                }
                let _ = write!(page, "| {} | {} |", sdk.name, protocol.as_str());
                for case in &cases {
                    let failed = self.failed.contains(&(sdk.name, protocol, *case));
                    let text = cell(case).map_or("", |cell| cell.text.as_str());
                    let _ = write!(page, " {} |", if failed { "**FAILED**" } else { text });
                }
                page.push('\n');
            }
        }
    }

    fn services(&self, page: &mut String) {
        page.push_str(
            "\n## Services\n\nThe apps of [`examples/apps`](../../examples/apps), unchanged: the service whose server let \
             their tokens in, and how often they ask for a token when Entra says no (Entra itself is asked once). In Java \
             the service's client tries again around a credential that does not.\n\n| app | service | attempts |\n|---|---|---|\n",
        );
        for (app, Seen { service, attempts }) in &self.apps {
            let _ = writeln!(page, "| {app} | {service:?} | {attempts} |");
        }
    }

    /// What a developer reads in the most frequent case of all.
    fn readings(&self, page: &mut String) {
        page.push_str("\n## What the developer reads\n\nWhen Entra has no federated credential for the pod:\n");
        for sdk in SDKS {
            let Some(cell) = self.cell(sdk.name, Protocol::AppService, Case::Refused) else {
                continue;
            };
            let Some(said) = &cell.said else { continue };
            let _ = writeln!(page, "\n**{}**\n\n```text\n{}\n```", sdk.name, excerpt(said));
        }
    }

    pub(crate) fn cell(&self, name: &str, protocol: Protocol, case: Case) -> Option<&Cell> {
        let found =
            |it: &&(&str, Protocol, Case, Cell)| (it.0, it.1, it.2) == (name, protocol, case);
        self.cells.iter().find(found).map(|(.., cell)| cell)
    }
}

/// The beginning of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().map(without_time).collect::<Vec<_>>().join(" ");
    let line = without_ports(&line);
    let head: String = line.chars().take(400).collect();
    if head.len() < line.len() { head + " ..." } else { head }
}

/// A word without how long something took, which differs from run to run.
fn without_time(word: &str) -> &str {
    let unit =
        word.trim_end_matches(',').trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if word.len() > unit.len() && ["ms", "µs", "ns", "s"].contains(&unit) { "..." } else { word }
}

/// The same without the ports that differ from run to run.
fn without_ports(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("127.0.0.1") {
        let port = [":", "', port=", " port "].iter().find(|mark| after.starts_with(**mark));
        out = out + before + "127.0.0.1";
        rest = after;
        if let Some(mark) = port {
            out = out + mark + "...";
            rest = after[mark.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    out + rest
}
