//! Event Hubs as far as Kafka's protocol needs to go: SASL OAUTHBEARER, and a list of one topic. In plain text, since
//! only the token is of interest.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{BEARER, Service, Shown};
use crate::connect;

/// Requests, by their keys: the highest version of each that is spoken here.
const METADATA: (i16, i16) = (3, 1);
const HANDSHAKE: (i16, i16) = (17, 1);
const VERSIONS: (i16, i16) = (18, 3);
const AUTHENTICATE: (i16, i16) = (36, 1);

const AUTHENTICATION_FAILED: i16 = 58;

/// Lets apps in by their tokens, until it is dropped.
pub(super) async fn serve(listener: TcpListener, at: SocketAddr, shown: Shown) {
    connect::accept(listener, move |stream| {
        let shown = shown.clone();
        async move {
            // An app may leave at any point; what it got is in its own answer.
            drop(converse(stream, at, &shown).await);
        }
    })
    .await;
}

async fn converse(mut stream: TcpStream, at: SocketAddr, shown: &Shown) -> io::Result<()> {
    let mut admitted = false;
    loop {
        let length = stream.read_i32().await?;
        let mut request = vec![0; usize::try_from(length).unwrap_or_default().min(65_536)];
        stream.read_exact(&mut request).await?;
        let mut request = Reader(&request);
        let (key, version, correlation) = (request.number()?, request.number()?, request.id()?);
        let client = String::from_utf8_lossy(request.text()?).into_owned();
        let mut answer = correlation.to_be_bytes().to_vec();
        if key == VERSIONS.0 {
            answer.extend(versions(version));
        } else if key == HANDSHAKE.0 {
            answer.extend(handshake());
        } else if key == AUTHENTICATE.0 {
            let (code, why) = match admit(&client, request.bytes()?, shown) {
                Ok(()) => (0, None),
                Err(why) => (AUTHENTICATION_FAILED, Some(why)),
            };
            admitted = code == 0;
            answer.extend(authenticated(code, why.as_deref(), version));
        } else if key == METADATA.0 && admitted {
            answer.extend(metadata(at));
        } else {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = i32::try_from(answer.len()).expect("answers are short");
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
    }
}

/// The client's first message of OAUTHBEARER (RFC 7628) has the token.
fn admit(client: &str, message: &[u8], shown: &Shown) -> Result<(), String> {
    let message = String::from_utf8_lossy(message);
    let bearer = message.split('\x01').find_map(|field| field.strip_prefix("auth="));
    let bearer = bearer.ok_or("there is no token in the message")?;
    let bearer = format!("{BEARER}{}", bearer.trim_start_matches(BEARER));
    shown.admit(Service::EventHubs, client, &bearer)
}

/// From version 3 on, lists have their length plus one, and each item a list of tags.
fn versions(version: i16) -> Vec<u8> {
    let known = [METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE];
    let flexible = version >= 3;
    let mut out = vec![0, 0];
    if flexible {
        out.push(5);
    } else {
        out.extend([0, 0, 0, 4]);
    }
    for (key, highest) in known {
        out.extend(key.to_be_bytes());
        out.extend([0, 0]);
        out.extend(highest.to_be_bytes());
        out.extend(flexible.then_some(0));
    }
    if version >= 1 {
        out.extend([0; 4]);
    }
    out.extend(flexible.then_some(0));
    out
}

fn handshake() -> Vec<u8> {
    [&[0, 0, 0, 0, 0, 1][..], &text(Some("OAUTHBEARER"))].concat()
}

fn authenticated(code: i16, why: Option<&str>, version: i16) -> Vec<u8> {
    let mut out = code.to_be_bytes().to_vec();
    out.extend(text(why));
    // No bytes, and a session that does not end.
    out.extend([0; 4]);
    if version >= 1 {
        out.extend([0; 8]);
    }
    out
}

/// One broker, which is this one, and one topic without partitions.
fn metadata(at: SocketAddr) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 1, 0, 0, 0, 1];
    out.extend(text(Some(&at.ip().to_string())));
    out.extend(i32::from(at.port()).to_be_bytes());
    // No rack.
    out.extend(text(None));
    out.extend([0, 0, 0, 1]);
    out.extend([0, 0, 0, 1, 0, 0]);
    out.extend(text(Some("orders")));
    out.extend([0; 5]);
    out
}

fn text(text: Option<&str>) -> Vec<u8> {
    let Some(text) = text else { return vec![0xff, 0xff] };
    let length = i16::try_from(text.len()).expect("it is short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// What is left of a request.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self) -> io::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into().expect("it is two bytes")))
    }

    fn id(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().expect("it is four bytes")))
    }

    fn text(&mut self) -> io::Result<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or_default())
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = self.id()?;
        self.take(usize::try_from(length).unwrap_or_default())
    }
}
