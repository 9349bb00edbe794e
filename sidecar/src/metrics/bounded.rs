//! However odd requests are, there are no more series for them.

use cambist_sim::fault::{Fault, Target};
use http::Request;
use http::request::Builder;

use crate::testing::{SECRET, World, ask, ask_admin, msi, text};

/// No two of them are alike.
fn odd(n: usize) -> Builder {
    let vault = |header: &str, value: String| msi("https://vault.azure.net").header(header, value);
    let native = |scope: String| {
        let request = Request::get(format!("/v1/token?scope={scope}/.default"));
        request.header("Host", "127.0.0.1:8421").header("X-IDENTITY-HEADER", SECRET)
    };
    match n % 12 {
        0 => msi(&format!("api://resource-{n}")),
        1 => msi(&format!("api://escapes-{n}%22%5C%0A")),
        2 => native(format!("api://scope-{n}")),
        3 => Request::get(format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://imds-{n}"
        ))
        .header("Host", "127.0.0.1:8421")
        .header("Metadata", "true"),
        4 => msi(&format!("api://whose&client_id=00000000-0000-4000-8000-{n:012}")),
        5 => msi(&format!("api://whose&mi_res_id=/subscriptions/{n}")),
        6 => Request::get(format!("/path/{n}")).header("Host", "127.0.0.1:8421"),
        7 => Request::get("/msi/token").header("Host", format!("host-{n}.example")),
        8 => vault("X-Forwarded-For", format!("192.0.2.{n}")),
        9 => vault("Origin", format!("https://origin-{n}.example")),
        10 => vault("X-IDENTITY-HEADER", format!("guess-{n}")),
        _ => msi("https://vault.azure.net").method(&*format!("METHOD{n}")),
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_odd_requests_leave_a_bounded_number_of_series() {
    let world = World::new();
    let (endpoint, admin, _) = world.endpoints(&[]);
    let scrape = async || {
        let text = text(ask_admin(&admin, "/metrics")).await;
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let quiet = scrape().await;
    let mut counts = Vec::new();
    for n in 0..10_000 {
        // Entra refuses what it is asked, each time with another code.
        let fault = Fault::Aadsts { code: 50_000 + n, status: None, retry_after: None };
        world.sim.faults().clear();
        world.sim.faults().inject(Target::Entra, fault);
        ask(&endpoint, odd(n as usize)).await;
        if n % 5_000 == 4_999 {
            counts.push(scrape().await);
        }
    }
    assert_eq!(counts[0], counts[1], "half of them left as many as all");
    // At most a thousand resources are told one by one, each with whether it is held, until when, since when, and why
    // not: but these never were.
    assert!(counts[0] > quiet + 1500, "{quiet} {counts:?}");
    assert!(counts[1] < quiet + 2200, "{quiet} {counts:?}");
}
