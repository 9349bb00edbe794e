//! The clock, and what goes by it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use cambist_core::clock::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Refused, failed, parse};
use crate::clock::Machine;
use crate::issuer::Schedule;
use crate::up::duration::{in_json, in_json_or_null};
use crate::world::Sim;

/// A schedule faster than this would make keys for longer than anybody waits, once a year passes.
const FASTEST: Duration = Duration::from_secs(3600);

pub(super) async fn now(State(admin): State<Admin>) -> Json<Value> {
    Json(moment(&admin.sim))
}

fn moment(sim: &Sim) -> Value {
    let now = sim.clock().wall();
    let of = |machine: Machine| (machine.as_str(), sim.clock_of(machine).wall().to_string());
    let machines: BTreeMap<_, _> = Machine::ALL.map(of).into();
    json!({ "unix": now, "rfc3339": now.to_string(), "machines": machines })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

pub(super) async fn advance(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Advance { seconds } = parse(&body)?;
    admin.sim.clock().advance(Duration::from_secs(seconds));
    admin.catch_up().await.map_err(failed)?;
    Ok(Json(moment(&admin.sim)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    machine: Machine,
    seconds: i64,
}

pub(super) async fn clock(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Wrong { machine, seconds } = parse(&body)?;
    admin.sim.clock_of(machine).skew(seconds);
    admin.catch_up().await.map_err(failed)?;
    Ok(Json(moment(&admin.sim)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default = "rotate_after", deserialize_with = "in_json_or_null")]
    rotate_after: Option<Duration>,
    #[serde(default = "expire_after", deserialize_with = "in_json_or_null")]
    expire_after: Option<Duration>,
    #[serde(default, deserialize_with = "in_json_or_null")]
    publish_ahead: Option<Duration>,
}

fn rotate_after() -> Option<Duration> {
    Schedule::rotating(45, 90).rotate_after
}

fn expire_after() -> Option<Duration> {
    Schedule::rotating(45, 90).expire_after
}

pub(super) async fn schedule(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Wanted { rotate_after, expire_after, publish_ahead } = parse(&body)?;
    if rotate_after.is_some_and(|after| after < FASTEST) {
        return Err(Refused::asked_wrongly(
            "'rotate_after' is less than an hour; --rotate-every rotates faster, in real time",
        ));
    }
    let publish_ahead = publish_ahead.unwrap_or_default();
    admin.sim.issuer().follow(Schedule { rotate_after, expire_after, publish_ahead });
    admin.catch_up().await.map_err(failed)?;
    let seconds = |duration: Option<Duration>| duration.map(|it| it.as_secs());
    Ok(Json(json!({
        "rotate_after": seconds(rotate_after),
        "expire_after": seconds(expire_after),
        "publish_ahead": publish_ahead.as_secs(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollOut {
    #[serde(deserialize_with = "in_json")]
    during: Duration,
}

pub(super) async fn roll_out(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let RollOut { during } = parse(&body)?;
    admin.sim.issuer().roll_out(during);
    Ok(Json(json!({ "until": (admin.sim.clock().wall() + during).to_string() })))
}
