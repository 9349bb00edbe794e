//! Azure SQL as far as its login goes: TDS 8.0 inside TLS (MS-TDS), with Entra's token in the login. Statements are
//! answered with nothing.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{BEARER, Service, Shown};
use crate::connect;

const PRELOGIN: u8 = 0x12;
const LOGIN7: u8 = 0x10;
const RESULT: u8 = 0x04;

/// The feature of a login that holds a token, and the library that brings its own.
const FEDAUTH: u8 = 0x02;
const SECURITY_TOKEN: u8 = 0x01;

const END_OF_FEATURES: u8 = 0xff;
const END_OF_MESSAGE: u8 = 0x01;
const HEADER: usize = 8;

/// Lets apps in by their tokens, until it is dropped.
pub(super) async fn serve(listener: TcpListener, tls: TlsAcceptor, shown: Shown) {
    connect::accept(listener, move |stream| {
        let (tls, shown) = (tls.clone(), shown.clone());
        async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            // An app may leave at any point; what it got is in its own answer.
            drop(converse(stream, &shown).await);
        }
    })
    .await;
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shown: &Shown,
) -> io::Result<()> {
    loop {
        let (kind, message) = message(&mut stream).await?;
        let answer = match kind {
            PRELOGIN => greeting(),
            LOGIN7 => match admit(&message, shown) {
                Ok(()) => welcome(),
                Err(why) => refusal(&why),
            },
            _ => done(0),
        };
        stream.write_all(&packet(&answer)).await?;
    }
}

/// One message, which may come in several packets.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let mut message = Vec::new();
    loop {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).await?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let start = message.len();
        message.resize(start + length.saturating_sub(HEADER), 0);
        stream.read_exact(&mut message[start..]).await?;
        if header[1] & END_OF_MESSAGE != 0 {
            return Ok((header[0], message));
        }
    }
}

fn packet(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + message.len()).expect("answers are short");
    let mut packet = vec![RESULT, END_OF_MESSAGE];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 1, 0]);
    packet.extend(message);
    packet
}

/// Version 16, encryption by the connection itself, and a token is wanted.
fn greeting() -> Vec<u8> {
    let options: [(u8, &[u8]); 3] = [(0, &[16, 0, 0, 0, 0, 0]), (1, &[1]), (6, &[1])];
    let mut at = u16::try_from(options.len() * 5 + 1).expect("there are three");
    let (mut table, mut data) = (Vec::new(), Vec::<u8>::new());
    for (option, value) in options {
        let length = u16::try_from(value.len()).expect("they are short");
        table.push(option);
        table.extend(at.to_be_bytes());
        table.extend(length.to_be_bytes());
        data.extend(value);
        at += length;
    }
    table.push(END_OF_FEATURES);
    table.extend(data);
    table
}

fn admit(login: &[u8], shown: &Shown) -> Result<(), String> {
    let token = token(login).ok_or("there is no token in the login")?;
    shown.admit(Service::Sql, "", &format!("{BEARER}{token}"))
}

/// The token in a LOGIN7 message: among its features, which a pointer behind its fixed part leads to.
fn token(login: &[u8]) -> Option<String> {
    let pointer = usize::from(u16::from_le_bytes(login.get(56..58)?.try_into().ok()?));
    let mut at = number(login, pointer)?;
    loop {
        let feature = *login.get(at)?;
        if feature == END_OF_FEATURES {
            return None;
        }
        let length = number(login, at + 1)?;
        let data = login.get(at + 5..at + 5 + length)?;
        if feature == FEDAUTH && data.first()? >> 1 == SECURITY_TOKEN {
            let text = data.get(5..5 + number(data, 1)?)?;
            let units: Vec<u16> =
                text.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            return String::from_utf16(&units).ok();
        }
        at += 5 + length;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(four)).ok()
}

fn welcome() -> Vec<u8> {
    let name = short_text("Microsoft SQL Server");
    let mut answer = vec![0xad];
    let length = u16::try_from(5 + name.len() + 4).expect("the name is short");
    answer.extend(length.to_le_bytes());
    answer.extend([1, 8, 0, 0, 0]);
    answer.extend(name);
    answer.extend([16, 0, 0, 0]);
    answer.extend([0xae, FEDAUTH, 0, 0, 0, 0, END_OF_FEATURES]);
    answer.extend(done(0));
    answer
}

fn refusal(why: &str) -> Vec<u8> {
    let text: Vec<u8> = why.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut error = Vec::new();
    error.extend(18_456_u32.to_le_bytes());
    error.extend([1, 14]);
    error.extend(u16::try_from(why.encode_utf16().count()).expect("it is short").to_le_bytes());
    error.extend(text);
    error.extend(short_text("shop"));
    error.extend(short_text(""));
    error.extend(1_u32.to_le_bytes());
    let mut answer = vec![0xaa];
    answer.extend(u16::try_from(error.len()).expect("it is short").to_le_bytes());
    answer.extend(error);
    answer.extend(done(2));
    answer
}

fn short_text(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut out = vec![u8::try_from(units.len()).expect("it is short")];
    out.extend(units.into_iter().flat_map(u16::to_le_bytes));
    out
}

fn done(status: u8) -> Vec<u8> {
    let mut done = vec![0xfd, status];
    done.extend([0; 11]);
    done
}
