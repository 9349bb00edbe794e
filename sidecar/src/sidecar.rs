//! A sidecar from start to end, for the program, for tests and for whoever runs it in process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cambist::Context;
use cambist::config::ConfigErrors;
use cambist::issuer_keys::IssuerKeys;
use cambist_core::clock::Clock;
use hyper::body::Incoming;
use tokio::task::JoinHandle;

use crate::admin::{self, Admin};
use crate::config::Config;
use crate::confine::Confinement;
use crate::endpoint::{Answer, Endpoint};
use crate::in_force::{Kept, Origin};
use crate::listener::{self, Capacity, ListenerGauges, Server, Waiting};
use crate::log;
use crate::metrics::Format;
use crate::metrics::{Counted, Metrics};
use crate::otlp::{Exporter, Sending};
use crate::reload::{LOOK_EVERY, Reload};
use crate::telemetry::Telemetry;
use crate::telemetry::audit::Trail;

/// How often the issuer's keys are judged if nothing else asks for it.
const JUDGE_EVERY: Duration = Duration::from_secs(60);

/// Why a sidecar did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file that the configuration names cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The token listener cannot listen.
    #[error("CAMBIST_LISTEN: {0}")]
    Listen(#[source] io::Error),
    /// The admin listener cannot listen.
    #[error("CAMBIST_ADMIN_LISTEN: {0}")]
    Admin(#[source] io::Error),
}

/// What a sidecar is started with, beside its configuration.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What the token listener may take.
    pub token_capacity: Capacity,
    /// What the admin listener may take.
    pub admin_capacity: Capacity,
    /// The lines of the log that were dropped, counted by whoever writes it.
    pub log_dropped: log::Dropped,
    /// Where the audit trail goes.
    pub audit: Trail,
    /// How often the files of the configuration are looked at.
    pub look_every: Duration,
    /// What the process has given up, to be told.
    pub confinement: Confinement,
}

impl Surroundings {
    /// The usual limits, by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (token_capacity, admin_capacity) = Capacity::for_descriptors(None);
        let log_dropped = log::Dropped::default();
        let (audit, look_every) = (Trail::default(), LOOK_EVERY);
        let confinement = Confinement::default();
        Self { clock, token_capacity, admin_capacity, log_dropped, audit, look_every, confinement }
    }
}

/// A sidecar that serves.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    tokens: Server,
    waiting: Arc<Waiting>,
    admin: Option<(Arc<Admin>, Server)>,
    upkeep: JoinHandle<()>,
    telemetry: Arc<Telemetry>,
    sending: Option<Sending>,
}

/// Starts a sidecar; it serves when this returns. Must be called within a tokio runtime.
///
/// # Errors
/// If a file that the configuration names is no good, or a listener cannot listen.
pub async fn start(config: &Config, around: Surroundings) -> Result<Running, StartError> {
    start_with(config, around, |context| config.open(context)).await
}

/// As [`start`], with credentials of the caller's making: from the [`Context`] that the sidecar's
/// metrics and log hang on.
///
/// # Errors
/// As [`start`].
pub async fn start_with<F>(
    config: &Config,
    around: Surroundings,
    open: F,
) -> Result<Running, StartError>
where
    F: FnOnce(Context) -> Result<Origin, ConfigErrors>,
{
    let Surroundings {
        clock,
        token_capacity,
        admin_capacity,
        log_dropped,
        audit,
        look_every,
        confinement,
    } = around;
    let telemetry = Telemetry::new(clock.clone(), config.key_age.clone());
    let audit_dropped = audit.dropped();
    let exporter = Exporter::of(config, clock.clone())?;
    let audit = audit.also_to(exporter.as_ref().and_then(Exporter::records));
    let telemetry = Arc::new(telemetry.confined(confinement).audited(audit));
    if let Some(rules) = &config.key_age {
        rules.announce(clock.wall());
    }
    let context = Context::new(clock.clone(), telemetry.clone(), config.jitter);
    let origin = open(context)?;
    let listeners = listener::bind(config.listen).map_err(StartError::Listen)?;
    let addresses: Result<Vec<_>, _> = listeners.iter().map(|l| l.local_addr()).collect();
    let addresses = addresses.map_err(StartError::Listen)?;
    let token_port = addresses.first().map_or(0, SocketAddr::port);
    let (certificate, watched) = match &config.admin_certificate {
        Some(files) if config.admin.is_some() => {
            let opened = files.open(telemetry.clone());
            let opened = opened.map_err(|fault| ConfigErrors::new(vec![fault]))?;
            (Some(opened.0), Some(opened.1))
        }
        _ => (None, None),
    };
    let admin_listener = config.admin.map(listener::open).transpose().map_err(StartError::Admin)?;
    let admin_address = admin_listener.as_ref().map(|l| l.local_addr()).transpose();
    let admin_address = admin_address.map_err(StartError::Admin)?;

    let keys = origin.issuer_keys().cloned();
    let (policy, policied) = (config.policy.clone(), config.policied.clone());
    let (reload, current) = Reload::first(policy, policied, token_port, Kept::new(origin));
    let waiting = Waiting::new(token_capacity.waiting());
    let gauges = ListenerGauges::default();
    let counted: [&dyn Counted; _] =
        [&*telemetry, &*waiting, &gauges, &log_dropped, &audit_dropped];
    let exported = exporter.as_ref().map(Exporter::exported);
    let exported = exported.iter().map(|it| &**it as &dyn Counted);
    let counted: Vec<_> = counted.into_iter().chain(exported).collect();
    let metrics = Arc::new(Metrics::of(&counted));
    let endpoint =
        Endpoint::new(current.clone(), waiting.clone(), clock.clone(), telemetry.clone());
    let endpoint = Arc::new(endpoint);
    // Before anybody is answered.
    telemetry.begin(config, &addresses, admin_address);
    let tokens = Server::start(
        listeners,
        config.host_ip,
        token_capacity,
        gauges.token,
        move |link, request| {
            let answer = endpoint.answer::<Incoming>(link, &request);
            let endpoint = endpoint.clone();
            async move {
                match answer {
                    Answer::Now(response) => response,
                    // Boxed, so that a connection is not as large as the rare case.
                    Answer::Later(pending) => Box::pin(endpoint.wait(pending)).await,
                }
            }
        },
    );
    let sending = exporter.map(|exporter| {
        let (metrics, current, now) = (metrics.clone(), current.clone(), clock.clone());
        let text = move || metrics.encode(current.load().held(now.boot()), Format::OpenMetrics);
        Sending::begin(exporter, text, telemetry.started())
    });
    let admin = admin_listener.map(|listener| {
        let port = admin_address.map_or(0, |at| at.port());
        let door = admin::door(port, config.admin_hosts.clone(), config.admin_status);
        let (current, keys, telemetry) = (current.clone(), keys.clone(), telemetry.clone());
        let admin = Admin::new(door, current, keys, telemetry, metrics, clock, token_port);
        let admin = Arc::new(admin);
        let answering = admin.clone();
        let server = Server::start_over(
            certificate,
            vec![listener],
            config.host_ip,
            admin_capacity,
            gauges.admin,
            move |link, request| {
                std::future::ready(answering.answer::<Incoming>(link.ends(), &request))
            },
        );
        (admin, server)
    });

    let told = telemetry.clone();
    let upkeep = tokio::spawn(async move {
        let watch = reload.beside(watched).watch(look_every, &telemetry);
        tokio::join!(watch, judge(keys.as_ref()), telemetry.sum_up());
    });
    Ok(Running {
        addresses,
        admin_address,
        tokens,
        waiting,
        admin,
        upkeep,
        telemetry: told,
        sending,
    })
}

/// Judges the issuer's keys now and then, so that a verdict is told when it changes and not when
/// somebody asks. Runs for ever.
async fn judge(keys: Option<&IssuerKeys>) {
    let Some(key_age) = keys.and_then(IssuerKeys::key_age) else { return };
    loop {
        key_age.report();
        tokio::time::sleep(JUDGE_EVERY).await;
    }
}

impl Running {
    /// Where tokens are served: one address for each loopback family there is, on one port.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The port that tokens are served on.
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// Where probes and scrapers are answered.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Who is told what happens in it.
    pub(crate) fn telemetry(&self) -> Arc<Telemetry> {
        self.telemetry.clone()
    }

    /// Ends it: no new connection is accepted, what is under way is answered, within 5 seconds. How
    /// many connections were cut off.
    pub async fn drain(self) -> usize {
        if let Some((admin, _)) = &self.admin {
            admin.drain();
        }
        // Probes are answered until the last token is.
        let cut = self.tokens.drain(|| self.waiting.end()).await;
        self.upkeep.abort();
        if let Some((_, server)) = self.admin {
            server.drain(|| {}).await;
        }
        self.telemetry.end(Some(cut));
        if let Some(sending) = self.sending {
            sending.end().await;
        }
        cut
    }
}

#[cfg(test)]
mod tests;
