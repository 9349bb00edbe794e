//! CA files that change under clients, over real sockets on the loopback.

use std::fs;
use std::sync::Arc;

use super::network::{OK, Server};
use super::*;
use crate::context::Context;
use crate::files::{Look, Watched};
use crate::testing::{self, Changes, Volume, World};

const FINE: Result<u16, &str> = Ok(200);
const UNTRUSTED: Result<u16, &str> = Err("tls_untrusted");

async fn ask(transport: &Transport, server: &Server) -> Result<u16, &'static str> {
    let limits = AnswerLimits { max_body: 64, timeout: Duration::from_secs(20) };
    let request = Request::get(format!("https://{}/", server.address)).body(Bytes::new()).unwrap();
    let answer = transport.send(request, limits).await;
    answer.map(|it| it.status().as_u16()).map_err(|error| error.reason().as_str())
}

fn options() -> HttpsOptions {
    HttpsOptions { platform_roots: false, ..HttpsOptions::default() }
}

async fn look(files: &[Watched]) {
    for _ in 0..2 {
        for file in files {
            let _ = file.look().await;
        }
    }
}

async fn server() -> Server {
    Server::named("127.0.0.1", OK).await
}

#[tokio::test]
async fn a_client_trusts_what_its_file_holds_now_and_other_clients_what_theirs_do() {
    let (one, two) = (server().await, server().await);
    let volume = Volume::new(&[("one", &one.ca_pem), ("two", &two.ca_pem)]);
    let (mut files, changes) = (CaFiles::default(), Arc::<Changes>::default());
    let mut open = |name, path| files.transport(name, path, options()).unwrap();
    let (of_one, of_two) = (volume.path("one"), volume.path("two"));
    let transports = [open("ONE", &of_one), open("ONE", &of_one), open("TWO", &of_two)];
    let files = files.watched(&(changes.clone() as _));
    assert_eq!(files.len(), 2, "a file of two clients is looked at once");
    let trusted = async || {
        let mut all = Vec::new();
        for transport in &transports {
            all.push((ask(transport, &one).await, ask(transport, &two).await));
        }
        all
    };
    let [by_one, by_two, by_both] = [(FINE, UNTRUSTED), (UNTRUSTED, FINE), (FINE, FINE)];
    assert_eq!(trusted().await, [by_one, by_one, by_two]);

    // Both at once, as in one volume.
    volume.publish(&[("one", &two.ca_pem), ("two", &(one.ca_pem.clone() + &two.ca_pem))]);
    look(&files).await;
    assert_eq!(trusted().await, [by_two, by_two, by_both]);
    assert_eq!(changes.take(), [("ca ONE".to_owned(), Ok(())), ("ca TWO".to_owned(), Ok(()))]);

    let half = &one.ca_pem[..one.ca_pem.len() / 2];
    for (bad, words) in [
        (String::new(), "holds no certificate"),
        ("no certificate at all".to_owned(), "holds no certificate"),
        (half.to_owned(), "certificate 1 is not readable"),
        (two.ca_pem.clone() + half, "certificate 2 is not readable"),
    ] {
        fs::write(&of_one, &bad).unwrap();
        look(&files).await;
        let problem = changes.one("ca ONE").unwrap_err();
        assert!(problem.contains(words) && problem.contains("/one"), "{problem}");
        assert_eq!(trusted().await, [by_two, by_two, by_both], "{words}");
    }
    fs::remove_file(&of_one).unwrap();
    look(&files).await;
    assert!(changes.one("ca ONE").unwrap_err().ends_with("/one does not exist"));
    assert_eq!(trusted().await, [by_two, by_two, by_both]);
    fs::write(&of_one, &one.ca_pem).unwrap();
    look(&files).await;
    assert_eq!(changes.one("ca ONE"), Ok(()));
    assert_eq!(trusted().await, [by_one, by_one, by_both]);
}

#[tokio::test]
async fn a_request_ends_under_the_cas_that_it_began_with() {
    let (mut old, new) = (server().await, server().await);
    let mut heard = std::mem::replace(&mut old.heard, tokio::sync::mpsc::unbounded_channel().1);
    let volume = Volume::new(&[("ca", &old.ca_pem)]);
    let mut files = CaFiles::default();
    let transport = files.transport("CA", &volume.path("ca"), options()).unwrap();
    let files = files.watched(&(Arc::<Changes>::default() as _));
    let held = old.hold.clone().write_owned().await;
    let under_way = async { ask(&transport, &old).await };
    let meanwhile = async {
        heard.recv().await.unwrap();
        volume.publish(&[("ca", &new.ca_pem)]);
        look(&files).await;
        assert_eq!(ask(&transport, &new).await, FINE);
        drop(held);
    };
    assert_eq!(tokio::join!(under_way, meanwhile).0, FINE);
    assert_eq!(ask(&transport, &old).await, UNTRUSTED);
}

#[tokio::test]
async fn a_trust_takes_up_another_ca_and_keeps_what_it_holds() {
    const TOKEN: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"x\"}";
    let (entra, stranger) = (Server::named("127.0.0.1", TOKEN).await, server().await);
    let world = World::new();
    let volume =
        Volume::new(&[("ca", &stranger.ca_pem), ("keys", &world.sim.issuer().jwks().to_string())]);
    let world = world
        .with("AZURE_AUTHORITY_HOST", &format!("https://{}", entra.address))
        .with("CAMBIST_ALLOW_AUTHORITY", &format!("https://{}", entra.address))
        .with("CAMBIST_ENTRA_CA_FILE", volume.path("ca").to_str().unwrap())
        .with("CAMBIST_KEYS", &format!("file:{}", volume.path("keys").display()));
    let changes = Arc::<Changes>::default();
    let config = world.config();
    let context = Context { observer: changes.clone(), ..world.context() };
    let trust = config.trust.open(context).unwrap();
    let credential = trust.credential(&config.identity);
    let tries =
        async |resource: &str| testing::reason(&credential, &testing::scope(resource)).await;
    assert_eq!(tries("api://one").await, "tls_untrusted");
    assert_eq!(trust.look_at_files().await, Look::Settled);

    fs::write(volume.path("ca"), &entra.ca_pem).unwrap();
    assert_eq!(trust.look_at_files().await, Look::Settling);
    assert_eq!(tries("api://two").await, "tls_untrusted", "it may be half written");
    assert_eq!(trust.look_at_files().await, Look::Settled);
    assert_eq!(changes.one("ca CAMBIST_ENTRA_CA_FILE"), Ok(()));
    assert_eq!(tries("api://three").await, "");

    fs::write(volume.path("ca"), &stranger.ca_pem).unwrap();
    for look in [Look::Settling, Look::Settled] {
        assert_eq!(trust.look_at_files().await, look);
    }
    assert_eq!(tries("api://four").await, "tls_untrusted");
    assert_eq!(tries("api://three").await, "", "what is held stays");
}

#[tokio::test]
async fn no_request_fails_while_cas_come_and_go() {
    let (server, stranger) = (server().await, server().await);
    let (alone, both) = (server.ca_pem.clone(), server.ca_pem.clone() + &stranger.ca_pem);
    let volume = Volume::new(&[("ca", &alone)]);
    let (mut files, changes) = (CaFiles::default(), Arc::<Changes>::default());
    let transport = files.transport("CA", &volume.path("ca"), options()).unwrap();
    let files = files.watched(&(changes.clone() as _));
    let swapping = async {
        for n in 0..60 {
            match n % 3 {
                0 => volume.publish(&[("ca", &both)]),
                1 => volume.publish(&[("ca", "no certificate")]),
                _ => fs::write(volume.path("ca"), &alone).unwrap(),
            }
            look(&files).await;
        }
    };
    let asking = async {
        loop {
            assert_eq!(ask(&transport, &server).await, FINE);
        }
    };
    tokio::select! { () = swapping => {}, () = asking => {} }
    let all = changes.take();
    assert_eq!((all.len(), all.iter().filter(|(_, it)| it.is_ok()).count()), (60, 40));
}
