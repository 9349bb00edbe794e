//! What people do wrong around the endpoint, and what each client prints then: seen here, and told on a page of its own.

use std::fmt::Write as _;
use std::path::Path;

use crate::cases::{Case, Cell, Lane, spent};
use crate::client::{Answer, Ask};
use crate::connect::{self, Trap};
use crate::matrix::Matrix;
use crate::sdk::{SDKS, Tells};
use crate::stage::{IMDS_PATH, Protocol, Stage};

/// Something that is wrong with an app's surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    NoSecret,
    NoEndpoint,
    Https,
    WrongPath,
    Proxy,
    Nobody,
    TokenFile,
}

impl Mistake {
    /// All there are, in the order of the page.
    pub(crate) const ALL: [Self; 7] = [
        Self::NoSecret,
        Self::NoEndpoint,
        Self::Https,
        Self::WrongPath,
        Self::Proxy,
        Self::Nobody,
        Self::TokenFile,
    ];

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoSecret => "no-secret",
            Self::NoEndpoint => "no-endpoint",
            Self::Https => "https",
            Self::WrongPath => "wrong-path",
            Self::Proxy => "proxy-in-the-way",
            Self::Nobody => "nobody",
            Self::TokenFile => "token-file",
        }
    }

    /// Its heading, and what is wrong and to be done.
    const fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::NoSecret => (
                "The secret's variable is missing",
                "`IDENTITY_HEADER` (`MSI_SECRET` for the clients of 2017) is not set in the app's container. Without it most SDKs \
                 take the pod for something else than App Service, such as a virtual machine, and ask at 169.254.169.254 or \
                 nowhere. Set it to the value that the sidecar has as `IDENTITY_HEADER`, from the same Secret.",
            ),
            Self::NoEndpoint => (
                "The endpoint's variable is missing",
                "`IDENTITY_ENDPOINT` (`MSI_ENDPOINT`; for `imds` the variable or setting of the client's recipe) is not set in \
                 the app's container. The SDK takes the pod for a virtual machine and asks at 169.254.169.254. Here nobody is \
                 there at all; on a node in Azure somebody answers, for another identity, or says that there is none. Set it \
                 to `http://127.0.0.1:8421/msi/token`.",
            ),
            Self::Https => (
                "`https://` in the endpoint",
                "The endpoint is plain HTTP on the pod's own loopback, which nobody else reaches. Write `http://`.",
            ),
            Self::WrongPath => (
                "The wrong path in the endpoint",
                "`IDENTITY_ENDPOINT` ends in `/msi/token`, and it was left out here; of the clients of \
                 `imds`, those that want the base alone were given the whole URL, and those that want that, the base. cambist \
                 says what was asked.",
            ),
            Self::Proxy => (
                "A proxy in the way",
                "`HTTP_PROXY` or `HTTPS_PROXY` is set, and `NO_PROXY` does not exempt loopback: the request for the token goes \
                 to the proxy, with the secret in it for most. Set `NO_PROXY=127.0.0.1,localhost` (for Java \
                 `-Dhttp.nonProxyHosts='127.0.0.1|localhost'`). The proxy here answers 403 to everything.",
            ),
            Self::Nobody => (
                "The sidecar is not there",
                "Nobody listens at the endpoint: the sidecar has not started yet, has ended, or listens on another port \
                 (`CAMBIST_LISTEN`). Make it a native sidecar with its startup probe, and look at its log.",
            ),
            Self::TokenFile => (
                "`AZURE_FEDERATED_TOKEN_FILE` left in",
                "The app's container has the variables of the workload identity webhook (`AZURE_FEDERATED_TOKEN_FILE`, \
                 `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`) beside those of cambist. `DefaultAzureCredential`, and some without it, \
                 go to Entra themselves: it works or fails by Entra's own words, and cambist is never asked. Annotate the pod \
                 with `azure.workload.identity/skip-containers`, or take the variables out. Clients with a \
                 `DefaultAzureCredential` were asked through it here.",
            ),
        }
    }
}

/// An app with something wrong around it. What it prints is noted, since it is the SDK's doing; that cambist's own
/// reason is in it wherever cambist was asked is held.
pub(crate) async fn play(lane: &Lane, mistake: Mistake) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let at = stage.sidecar.tokens();
    let (mut program, mut ask) = (lane.program.clone(), lane.ask());
    // Some go on to a virtual machine's address, and nobody must be there.
    let goes_there = match mistake {
        Mistake::NoSecret => lane.sdk.needs_secret,
        Mistake::NoEndpoint => true,
        _ => false,
    };
    if goes_there && !lane.setting.apart {
        return Cell::text("");
    } else if goes_there {
        program = program.apart();
    }
    // What is to live as long as the client is asked.
    let (mut trap, mut silent) = (None, None);
    let stage = match mistake {
        Mistake::NoSecret => match lane.protocol.secret() {
            Some(secret) => stage.unset_env(secret),
            None => return Cell::not_offered(),
        },
        Mistake::NoEndpoint => stage.not_led(),
        Mistake::Https => {
            stage.led_to(&format!("https://{at}"), &format!("https://{at}{IMDS_PATH}"))
        }
        // The one with the path that it must not have, the other without the one that it must.
        Mistake::WrongPath if lane.protocol == Protocol::Imds => {
            stage.led_to(&format!("http://{at}{IMDS_PATH}"), &format!("http://{at}"))
        }
        Mistake::WrongPath => stage.led_by(&format!("http://{at}")),
        Mistake::Proxy => {
            let trap = trap.insert(Trap::set().await);
            stage.caught_by(trap.at())
        }
        Mistake::Nobody => {
            let (_, at) = silent.insert(connect::silent());
            stage.led_to(&format!("http://{at}"), &format!("http://{at}{IMDS_PATH}"))
        }
        Mistake::TokenFile => {
            if lane.sdk.default_credential {
                ask = Ask { credential: "default", ..ask };
            }
            let ours = ["AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"];
            ours.into_iter().fold(stage, |stage, name| {
                let value = stage.world.env()[name].clone();
                stage.set_env(name, value)
            })
        }
    };
    let mut client = stage.client(&program, mistake.name()).await;
    let (answer, took) = client.token(ask).await;
    let asked = stage.asked().await;
    let said = match answer {
        Answer::Token { .. } if asked > 0 => {
            "a token from cambist, as if nothing were wrong".to_owned()
        }
        Answer::Token { .. } => "a token, which did not come from cambist".to_owned(),
        Answer::Error(said) => said,
        Answer::Unsupported(why) => panic!("it can be asked for this: {why}"),
    };
    if mistake == Mistake::WrongPath && asked > 0 && lane.sdk.tells != Tells::Nothing {
        assert!(said.contains("path: nothing is at"), "the reason is not told: {said}");
    }
    let said = without_places(&said, &lane.setting.work);
    Cell { said: Some(said), ..spent(asked, took) }
}

/// The same without the lines that tell places in programs, such as `at read (file:///...)`, and without those of this
/// machine.
fn without_places(said: &str, work: &Path) -> String {
    let kept = said.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with("at ") && !line.starts_with("File \"")
    });
    let root = work.parent().unwrap_or(work).display().to_string();
    kept.collect::<Vec<_>>().join("\n").replace(&root, "...")
}

const INTRODUCTION: &str = "\
# What your SDK prints, and what is wrong

Written by `tests/conformance/run --write` from what it saw; not by hand. Look for the words that you read. Each client was
put beside a cambist that works, with one thing wrong around it; *2 in 0.3 s* means that two requests reached cambist and
that the client gave up after 0.3 seconds. Where a request reaches cambist, its own reason is in what you read, and
[its explanation](reasons.md) leads on, but not with OpenDAL and PyArrow, which show nothing of it:
`cambist token get --resource ...` in the app's container says what an SDK would meet there.
";

/// The page.
pub(crate) fn page(matrix: &Matrix) -> String {
    let mut page = INTRODUCTION.to_owned();
    let _ = writeln!(
        page,
        "\nSeen with {}, and the versions of the clients in [the tables](../tests/conformance/MATRIX.md).",
        matrix.seen_with
    );
    for mistake in Mistake::ALL {
        let (title, about) = mistake.about();
        let _ = write!(
            page,
            "\n## {title}\n\n{about}\n\n| client | requests | it prints |\n|---|---|---|\n"
        );
        for sdk in SDKS {
            let cell = matrix.cell(sdk.name, sdk.protocols[0], Case::Symptom(mistake));
            let Some(Cell { text, said: Some(said) }) = cell else { continue };
            if said.is_empty() {
                continue;
            }
            let _ = writeln!(page, "| {} | {text} | {} |", sdk.name, in_a_cell(said));
        }
    }
    page
}

/// The beginning of a text, as a table can hold it.
fn in_a_cell(said: &str) -> String {
    let said: String = crate::matrix::excerpt(said);
    said.replace('|', "\\|").replace('<', "&lt;")
}
