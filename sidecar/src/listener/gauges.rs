//! What is counted of connections.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::metrics::{Counted, Labels};

/// What is counted of one listener's connections.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Connections open now.
    pub open: Gauge,
    /// Connections closed from this side, for being idle, slow, or in the way.
    pub evicted: Counter,
}

/// The same of a sidecar's listeners.
#[derive(Debug)]
pub struct ListenerGauges {
    /// Of the token listener.
    pub token: Gauges,
    /// Of the admin listener.
    pub admin: Gauges,
    open: Family<Labels<1>, Gauge>,
    evicted: Family<Labels<1>, Counter>,
}

impl Default for ListenerGauges {
    fn default() -> Self {
        let open = Family::<Labels<1>, Gauge>::default();
        let evicted = Family::<Labels<1>, Counter>::default();
        let of = |listener| Gauges {
            open: open.get_or_create_owned(&[("listener", listener)]),
            evicted: evicted.get_or_create_owned(&[("listener", listener)]),
        };
        Self { token: of("token"), admin: of("admin"), open, evicted }
    }
}

impl Counted for ListenerGauges {
    fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.open.clone());
        let help = "Connections closed for being idle, slow or one too many";
        registry.register("connections_evicted", help, self.evicted.clone());
    }
}
