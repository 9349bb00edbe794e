use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::accept::MAX_HEAD;
use super::*;
use crate::config::Listen;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Capacity that a test can wait for.
fn quick() -> Capacity {
    Capacity { head: ms(300), idle: ms(300), grace: ms(50), drain: ms(500), ..Capacity::default() }
}

/// Answers every request with its number.
fn counting(limits: Capacity) -> (Server, SocketAddr) {
    let listener = open("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let server = Server::start(vec![listener], None, limits, Gauges::default(), move |_, _| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move { Response::new(Full::new(Bytes::from(format!("number {number}\n")))) }
    });
    (server, at)
}

/// Answers requests when told to; counts those that wait for that.
struct Held {
    server: Server,
    at: SocketAddr,
    go: Arc<Notify>,
    waiting: Arc<AtomicUsize>,
    links: Arc<Mutex<Vec<Arc<Link>>>>,
    gauges: Gauges,
}

impl Held {
    fn start(limits: Capacity) -> Self {
        let listener = open("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = listener.local_addr().unwrap();
        let (go, waiting) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let gauges = Gauges::default();
        let (gate, count) = (go.clone(), waiting.clone());
        let links = Arc::<Mutex<Vec<_>>>::default();
        let known = links.clone();
        let server = Server::start(vec![listener], None, limits, gauges.clone(), move |link, _| {
            known.lock().unwrap().push(link.clone());
            let (gate, count) = (gate.clone(), count.clone());
            async move {
                count.fetch_add(1, Ordering::Relaxed);
                gate.notified().await;
                Response::new(Full::new(Bytes::from("at last\n")))
            }
        });
        Self { server, at, go, waiting, links, gauges }
    }

    /// Returns once so many requests are being answered on so many connections.
    async fn until(&self, requests: usize, connections: i64) {
        let there = async {
            while (self.waiting.load(Ordering::Relaxed), self.gauges.open.get())
                != (requests, connections)
            {
                tokio::time::sleep(ms(1)).await;
            }
        };
        timeout(Duration::from_secs(5), there).await.unwrap();
    }

    /// Returns once so many of them are known to have closed their side.
    async fn hung_up(&self, clients: usize) {
        let gone = || self.links.lock().unwrap().iter().filter(|link| link.has_hung_up()).count();
        let there = async {
            while gone() != clients {
                tokio::time::sleep(ms(1)).await;
            }
        };
        timeout(Duration::from_secs(30), there).await.unwrap();
    }
}

/// Reads one reply's head and body, which ends with a line end.
async fn reply(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    while !(reply.ends_with(b"\n") && reply.windows(4).any(|w| w == b"\r\n\r\n")) {
        let mut bytes = [0; 4096];
        let n = timeout(Duration::from_secs(30), stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(n, 0, "the connection ended: {}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&bytes[..n]);
    }
    String::from_utf8(reply).unwrap()
}

/// Waits for the connection's end and tells how long that took.
async fn end(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await.unwrap();
    started.elapsed()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let (_server, at) = counting(quick());
    let mut client = TcpStream::connect(at).await.unwrap();
    for number in 0..3 {
        client.write_all(ASK).await.unwrap();
        let reply = reply(&mut client).await;
        assert!(reply.ends_with(&format!("number {number}\n")), "{reply}");
        assert!(reply.to_lowercase().contains("content-length: 9\r\n"), "{reply}");
    }
    // Two at once are answered in their order.
    client.write_all(&[ASK, ASK].concat()).await.unwrap();
    let mut both = reply(&mut client).await;
    if !both.contains("number 4") {
        both += &reply(&mut client).await;
    }
    assert!(both.find("number 3").unwrap() < both.find("number 4").unwrap(), "{both}");
}

#[tokio::test]
async fn slow_and_idle_clients_are_cut_off() {
    let (_server, at) = counting(quick());
    let mut silent = TcpStream::connect(at).await.unwrap();
    let mut slow = TcpStream::connect(at).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    let dripping = async {
        // A byte now and then does not buy time.
        for _ in 0..40 {
            tokio::time::sleep(ms(20)).await;
            if slow.write_all(b"x").await.is_err() {
                break;
            }
        }
        end(&mut slow).await
    };
    let mut idle = TcpStream::connect(at).await.unwrap();
    idle.write_all(ASK).await.unwrap();
    reply(&mut idle).await;
    let started = Instant::now();
    tokio::join!(end(&mut silent), dripping, end(&mut idle));
    assert!(started.elapsed() >= ms(250), "{:?}", started.elapsed());
    assert!(started.elapsed() < ms(2000), "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_is_no_http_ends_the_connection() {
    let (_server, at) = counting(quick());
    let long =
        [b"GET / HTTP/1.1\r\nA: ".as_slice(), &vec![b'a'; 2 * MAX_HEAD], b"\r\n\r\n"].concat();
    for junk in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(),
        b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        &long,
    ] {
        let mut client = TcpStream::connect(at).await.unwrap();
        // The server may hang up before it has heard everything.
        let _ = client.write_all(junk).await;
        let mut all = Vec::new();
        let _ = timeout(Duration::from_secs(5), client.read_to_end(&mut all)).await.unwrap();
        let all = String::from_utf8_lossy(&all);
        assert!(all.is_empty() || all.starts_with("HTTP/1.1 4"), "{all}");
    }
    let mut client = TcpStream::connect(at).await.unwrap();
    client.write_all(ASK).await.unwrap();
    assert!(reply(&mut client).await.ends_with("number 0\n"));
}

#[tokio::test]
async fn who_asks_no_more_gives_way() {
    let (_server, at) = counting(Capacity { connections: 1, idle: ms(10_000), ..quick() });
    let mut first = TcpStream::connect(at).await.unwrap();
    first.write_all(ASK).await.unwrap();
    reply(&mut first).await;
    let mut second = TcpStream::connect(at).await.unwrap();
    second.write_all(ASK).await.unwrap();
    assert!(reply(&mut second).await.ends_with("number 1\n"));
    end(&mut first).await;
}

#[tokio::test]
async fn a_silent_crowd_is_not_in_the_way_for_long() {
    let (_server, at) = counting(Capacity { connections: 4, ..Capacity::default() });
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(at).await.unwrap());
    }
    let started = Instant::now();
    let mut client = TcpStream::connect(at).await.unwrap();
    client.write_all(ASK).await.unwrap();
    assert!(reply(&mut client).await.ends_with("number 0\n"));
    // With the whole grace time for each four of them it would be five seconds.
    assert!(started.elapsed() < ms(2500), "{:?}", started.elapsed());
    for mut silent in crowd {
        end(&mut silent).await;
    }
}

#[tokio::test]
async fn nobody_who_is_being_answered_gives_way() {
    let held = Held::start(Capacity { connections: 1, ..quick() });
    let mut first = TcpStream::connect(held.at).await.unwrap();
    first.write_all(ASK).await.unwrap();
    held.until(1, 1).await;
    let mut second = TcpStream::connect(held.at).await.unwrap();
    second.write_all(ASK).await.unwrap();
    // Longer than anybody idle would keep its place.
    tokio::time::sleep(ms(200)).await;
    held.go.notify_one();
    // It ends with its answer, because another one waits.
    let answer = reply(&mut first).await;
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    end(&mut first).await;
    held.go.notify_one();
    assert!(reply(&mut second).await.ends_with("at last\n"));
}

#[tokio::test]
async fn who_sends_no_more_gets_its_answer() {
    let (_server, at) = counting(quick());
    for number in 0..20 {
        let mut client = TcpStream::connect(at).await.unwrap();
        client.write_all(ASK).await.unwrap();
        client.shutdown().await.unwrap();
        assert!(reply(&mut client).await.ends_with(&format!("number {number}\n")));
        assert!(end(&mut client).await < ms(200), "it has nothing more to ask");
    }
    let held = Held::start(quick());
    let mut client = TcpStream::connect(held.at).await.unwrap();
    client.write_all(ASK).await.unwrap();
    held.until(1, 1).await;
    client.shutdown().await.unwrap();
    held.hung_up(1).await;
    held.go.notify_one();
    assert!(reply(&mut client).await.ends_with("at last\n"));
    assert!(end(&mut client).await < ms(200));
    held.until(1, 0).await;
}

#[tokio::test]
async fn who_crashes_is_not_waited_for() {
    let held = Held::start(quick());
    let mut client = TcpStream::connect(held.at).await.unwrap();
    client.write_all(ASK).await.unwrap();
    held.until(1, 1).await;
    client.set_zero_linger().unwrap();
    drop(client);
    held.until(1, 0).await;
}

#[tokio::test]
async fn a_drain_gives_a_last_call() {
    let held = Held::start(quick());
    let mut waiting = TcpStream::connect(held.at).await.unwrap();
    waiting.write_all(ASK).await.unwrap();
    held.until(1, 1).await;
    let go = held.go.clone();
    assert_eq!(held.server.drain(move || go.notify_one()).await, 0);
    assert!(reply(&mut waiting).await.ends_with("at last\n"));
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way() {
    let held = Held::start(Capacity { drain: Duration::from_secs(5), ..quick() });
    let mut busy = TcpStream::connect(held.at).await.unwrap();
    busy.write_all(ASK).await.unwrap();
    let mut idle = TcpStream::connect(held.at).await.unwrap();
    held.until(1, 2).await;
    let Held { server, at, go, .. } = held;
    let draining = tokio::spawn(server.drain(|| {}));
    end(&mut idle).await;
    assert!(TcpStream::connect(at).await.is_err());
    go.notify_one();
    let answer = reply(&mut busy).await;
    assert!(answer.ends_with("at last\n"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(draining.await.unwrap(), 0);
}

/// Somebody who connects, and asks, while this thread looks at nothing else. The kernel has all of it
/// when it is sent.
struct Unheard(std::net::TcpStream);

impl Unheard {
    fn connect(at: SocketAddr) -> Self {
        Self(std::net::TcpStream::connect(at).unwrap())
    }

    fn ask(&mut self) {
        std::io::Write::write_all(&mut self.0, ASK).unwrap();
    }

    async fn answer(self) -> String {
        self.0.set_nonblocking(true).unwrap();
        reply(&mut TcpStream::from_std(self.0).unwrap()).await
    }
}

/// Capacity under which nobody is given a moment.
fn strict() -> Capacity {
    Capacity { grace: ms(0), ..quick() }
}

#[tokio::test]
async fn a_drain_answers_what_the_kernel_has_and_nobody_has_looked_at() {
    let (server, at) = counting(strict());
    let mut client = Unheard::connect(at);
    let connections = server.connections.clone();
    let is_read = || connections.list().open.values().any(|one| one.phase.unused_for().is_some());
    while !is_read() {
        tokio::task::yield_now().await;
    }
    client.ask();
    let end = Instant::now() + ms(500);
    let (cut, answer) = tokio::join!(connections.drain(end, || {}), client.answer());
    assert!(answer.ends_with("number 0\n"), "{answer}");
    assert_eq!(cut, 0);
}

#[tokio::test]
async fn a_drain_answers_who_has_connected_before() {
    let (server, at) = counting(quick());
    let mut clients: Vec<_> = (0..20).map(|_| Unheard::connect(at)).collect();
    clients.iter_mut().for_each(Unheard::ask);
    let draining = tokio::spawn(server.drain(|| {}));
    for client in clients {
        let answer = client.answer().await;
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    assert_eq!(draining.await.unwrap(), 0);
}

#[tokio::test]
async fn a_drain_answers_who_waits_for_a_place() {
    let held = Held::start(Capacity { connections: 1, ..quick() });
    let mut first = TcpStream::connect(held.at).await.unwrap();
    first.write_all(ASK).await.unwrap();
    held.until(1, 1).await;
    let mut second = TcpStream::connect(held.at).await.unwrap();
    second.write_all(ASK).await.unwrap();
    let draining = tokio::spawn(held.server.drain(|| {}));
    // So that it has begun.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    held.go.notify_one();
    assert!(reply(&mut first).await.ends_with("at last\n"));
    held.go.notify_one();
    assert!(reply(&mut second).await.ends_with("at last\n"));
    assert_eq!(draining.await.unwrap(), 0);
}

#[tokio::test]
async fn nobody_gives_way_whose_request_is_here() {
    let (server, at) = counting(Capacity { connections: 1, ..strict() });
    let mut client = Unheard::connect(at);
    let connections = server.connections.clone();
    let is_read = || connections.list().open.values().any(|one| one.phase.unused_for().is_some());
    while !is_read() {
        tokio::task::yield_now().await;
    }
    client.ask();
    connections.evict_unused();
    assert!(client.answer().await.ends_with("number 0\n"));
    // But who says nothing, does.
    let mut silent = TcpStream::connect(at).await.unwrap();
    while !is_read() {
        tokio::task::yield_now().await;
    }
    connections.evict_unused();
    assert!(end(&mut silent).await < ms(200));
}

#[tokio::test]
async fn a_drain_ends() {
    let held = Held::start(quick());
    let mut busy = TcpStream::connect(held.at).await.unwrap();
    busy.write_all(ASK).await.unwrap();
    held.until(1, 1).await;
    let started = Instant::now();
    assert_eq!(held.server.drain(|| {}).await, 1);
    assert!(started.elapsed() >= ms(450) && started.elapsed() < ms(3000));
    end(&mut busy).await;
}

#[tokio::test]
async fn both_families_are_served_on_one_port() {
    let listeners = bind(Listen::Both(0)).unwrap();
    let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    assert!(addresses.iter().all(|at| at.ip().is_loopback()));
    assert!(addresses.iter().all(|at| at.port() == addresses[0].port()));
    // The port is taken now, whoever asks, and by whatever family.
    assert!(bind(Listen::Both(addresses[0].port())).is_err());
    let taken = bind(Listen::One(addresses[0])).unwrap_err();
    assert!(taken.to_string().contains(&addresses[0].to_string()), "{taken}");
}

#[test]
fn a_connection_taken_while_the_runtime_ends_is_let_go() {
    let gauges = Gauges::default();
    let connections = Arc::new(Connections::new(Capacity::default(), gauges.clone()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let handle = runtime.handle().clone();
    runtime.shutdown_timeout(Duration::from_secs(1));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _guard = handle.enter();
        connections.spawn(Link::new(crate::testing::LOOPBACK), |_| async {});
        let _ = tell.send(gauges.open.get());
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(3)), Ok(0), "it waits for itself");
}

#[test]
fn few_files_mean_few_connections() {
    let of = |files| Capacity::for_descriptors(files).0.connections;
    assert_eq!(of(None), 1024);
    assert_eq!(of(Some(1_048_576)), 1024);
    assert_eq!(of(Some(128)), 48);
    assert_eq!(of(Some(32)), 16);
}
