//! The program itself: exit codes, signals, and what happens when there are no files left.
#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cambist_sim::Settings;
use cambist_sim::clock::SimClock;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, geteuid, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cambist-sidecar");
const SECRET: &str = "hunter2hunter2hunter2";

fn command(program: &str, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("PATH", "/usr/bin:/bin"),
        ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
        ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent/token"),
        ("IDENTITY_HEADER", SECRET),
        ("CAMBIST_LISTEN", "0"),
        ("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0"),
    ]);
    command.envs(env.iter().copied());
    command
}

fn run(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(PROGRAM, env).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A running program, and where it listens by its own word.
struct Sidecar {
    child: Child,
    tokens: SocketAddr,
    admin: SocketAddr,
    /// What it said before it served.
    said: Vec<String>,
}

impl Sidecar {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sidecar, mut log) = Self::serving(child, stderr);
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        sidecar
    }

    /// Reads its log up to where it says that it serves, and not any further.
    fn serving<R: std::io::Read>(child: Child, log: R) -> (Self, BufReader<R>) {
        let mut log = BufReader::new(log);
        let mut said = Vec::new();
        let serving = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended: {said:?}");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["message"] == "serving" {
                break event;
            }
            said.push(line);
        };
        let address = |name: &str| {
            let text = serving[name].as_str().unwrap();
            let digits = |c: char| c.is_ascii_digit();
            text[text.find(digits).unwrap()..]
                .split([',', ']', ')'])
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        let (tokens, admin) = (address("tokens"), address("admin"));
        let sidecar = Self { child, tokens, admin, said };
        (sidecar, log)
    }

    /// A sidecar whose log nobody reads any more, with no room left in the pipe.
    fn unread(mut command: Command) -> (Self, BufReader<PipeReader>) {
        let (reader, mut writer) = pipe().unwrap();
        let child = command.stderr(writer.try_clone().unwrap()).spawn().unwrap();
        drop(command);
        let (sidecar, log) = Self::serving(child, reader);
        fill(&mut writer);
        (sidecar, log)
    }

    /// A request that breaks off, which is a line at the level `trace`.
    fn line(&self) {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"no such thing\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }

    fn dropped(&self) -> u64 {
        let metrics = ask(self.admin, "/metrics");
        let samples = metrics.lines();
        let mut dropped =
            samples.filter_map(|line| line.strip_prefix("cambist_log_lines_dropped_total "));
        dropped.next().unwrap().parse().unwrap()
    }

    fn signal(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// The exit code, which must come within so many seconds.
    fn code(&mut self, within: u64) -> i32 {
        let started = now();
        let status = until(|| self.child.try_wait().unwrap());
        assert!(started.elapsed() < Duration::from_secs(within), "{:?}", started.elapsed());
        status.code().unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again for what another process is about to do.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let end = now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < end, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[expect(clippy::disallowed_methods, reason = "another process is watched in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Leaves no room in a pipe.
fn fill(pipe: &mut PipeWriter) {
    let flags = fcntl_getfl(&*pipe).unwrap();
    fcntl_setfl(&*pipe, flags | OFlags::NONBLOCK).unwrap();
    while pipe.write(b"\n").is_ok() {}
    fcntl_setfl(&*pipe, flags).unwrap();
}

fn ask(at: SocketAddr, target: &str) -> String {
    ask_with(at, target, "")
}

/// Asks with more header lines.
fn ask_with(at: SocketAddr, target: &str, lines: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn the_configuration_can_be_checked() {
    let (code, out, _) = run(&["--check-config", "--prefetch", "https://vault.azure.net"], &[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("https://vault.azure.net/.default") && !out.contains(SECRET), "{out}");
    for words in
        ["key age          audit", "replaced after 45d, gone after 90d", "key history       none"]
    {
        assert!(out.contains(words), "{words} is not in {out}");
    }
    let bad = [("CAMBIST_LISTNE", "1"), ("CAMBIST_LOG", "x=loud"), ("IDENTITY_HEADER", "hunter2")];
    let (code, out, err) = run(&["--check-config", "--listen", "0.0.0.0:1"], &bad);
    assert_eq!((code, out.as_str()), (64, ""));
    assert_eq!(err.lines().count(), 4, "{err}");
    assert!(err.contains("did you mean CAMBIST_LISTEN?"), "{err}");
    assert!(err.contains("--listen: ") && !err.contains("hunter2"), "{err}");
    let (code, _, err) = run(&["--check-config"], &[("CAMBIST_CA_FILE", "/nonexistent/ca.pem")]);
    assert_eq!(code, 64, "{err}");
}

/// As the app's container has it, whose kubelet reads the file.
fn header_secret(file: &std::path::Path) -> String {
    let line = std::fs::read_to_string(file).unwrap();
    line.strip_prefix("IDENTITY_HEADER='").unwrap().strip_suffix("'\n").unwrap().to_owned()
}

#[test]
fn a_secret_of_its_own_making_is_there_before_it_serves_and_outlives_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("header.env");
    let path = file.to_str().unwrap();
    let bare = || {
        let mut command = command(PROGRAM, &[("CAMBIST_MAKE_HEADER_FILE", path)]);
        command.env_remove("IDENTITY_HEADER");
        command
    };
    let checked = bare().arg("--check-config").output().unwrap();
    assert!(checked.status.success() && !file.exists(), "{checked:?}");
    let first = Sidecar::start(bare());
    let secret = header_secret(&file);
    drop(first);
    let again = Sidecar::start(bare());
    assert_eq!(header_secret(&file), secret);
    let reason = |secret: &str| {
        let target = "/v1/token?scope=https://vault.azure.net/.default";
        let reply = ask_with(again.tokens, target, &format!("X-IDENTITY-HEADER: {secret}\r\n"));
        let reason = reply.lines().find_map(|it| it.strip_prefix("x-cambist-reason: "));
        reason.unwrap_or_else(|| panic!("{reply}")).to_owned()
    };
    // There is no projected token; but the question was let in.
    assert_eq!(
        (reason(&secret).as_str(), reason(SECRET).as_str()),
        ("token_file_missing", "identity_header")
    );
    let log = again.said.join("");
    assert!(!log.contains(&secret), "{log}");
    let (code, _, err) = run(&["--make-header-file", path], &[]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("--make-header-file: IDENTITY_HEADER is set, too"), "{err}");
}

#[test]
fn exit_codes_are_as_documented() {
    assert_eq!(run(&["--version"], &[]).0, 0);
    assert_eq!(run(&["--no-such-flag"], &[]).0, 64);
    assert_eq!(run(&["health", "--admin", "http://127.0.0.1:1"], &[]).0, 1);
    assert_eq!(run(&["health"], &[("CAMBIST_ADMIN_LISTEN", "off")]).0, 64);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&["--admin-listen", &taken], &[]);
    assert_eq!(code, if err.contains("in use") { 1 } else { -1 }, "{err}");
}

#[test]
fn it_is_healthy_without_any_upstream_and_ends_when_told() {
    let mut sidecar = Sidecar::start(command(PROGRAM, &[]));
    let admin = format!("http://{}", sidecar.admin);
    let (code, _, err) = run(&["health", "--admin", &admin, "--wait", "5s"], &[]);
    assert_eq!(code, 0, "{err}");
    sidecar.signal();
    assert_eq!(sidecar.code(5), 0);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // An authority that takes the connection and says nothing keeps the request under way.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = format!("https://{}/", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { clock: SimClock::system(), ..Settings::default() };
    let sim = cambist_sim::Sim::with(settings).unwrap();
    let kubelet = cambist_sim::kubelet::Kubelet::new(sim, dir.path());
    kubelet.project().unwrap();
    let mut sidecar = Sidecar::start(command(
        PROGRAM,
        &[
            ("AZURE_AUTHORITY_HOST", &authority),
            ("CAMBIST_ALLOW_AUTHORITY", &authority),
            ("CAMBIST_KEYS", "file:/nonexistent/keys.json"),
            ("AZURE_FEDERATED_TOKEN_FILE", kubelet.token_file().to_str().unwrap()),
        ],
    ));
    let mut app = TcpStream::connect(sidecar.tokens).unwrap();
    let target = "/v1/token?scope=https://vault.azure.net/.default";
    let host = sidecar.tokens;
    write!(app, "GET {target} HTTP/1.1\r\nHost: {host}\r\nX-IDENTITY-HEADER: {SECRET}\r\n\r\n")
        .unwrap();
    // The exchange is on its way.
    silent.set_nonblocking(true).unwrap();
    let _exchange = until(|| silent.accept().ok());
    sidecar.signal();
    until(|| TcpStream::connect(sidecar.tokens).err());
    assert!(sidecar.child.try_wait().unwrap().is_none(), "the request is still under way");
    sidecar.signal();
    assert_eq!(sidecar.code(1), 1);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let (mut sidecar, log) = Sidecar::unread(command(PROGRAM, &[]));
    for _ in 0..20 {
        assert!(ask(sidecar.tokens, "/msi/token").starts_with("HTTP/1.1 401 "));
    }
    assert!(ask(sidecar.admin, "/live").starts_with("HTTP/1.1 200 "));
    sidecar.signal();
    assert_eq!(sidecar.code(5), 0);
    drop(log);
}

#[test]
fn lines_that_nobody_reads_are_dropped_and_counted_and_told_of() {
    let (mut sidecar, log) = Sidecar::unread(command(PROGRAM, &[("CAMBIST_LOG", "trace")]));
    until(|| {
        (0..100).for_each(|_| sidecar.line());
        (sidecar.dropped() > 0).then_some(())
    });
    // Its reader is back.
    let mut told = log.lines().map_while(Result::ok).filter(|line| {
        // The pipe was filled with empty lines.
        !line.is_empty() && line.contains("lines were dropped here")
    });
    let told: serde_json::Value = serde_json::from_str(&told.next().unwrap()).unwrap();
    assert_eq!((&told["level"], &told["lines"]), (&"WARN".into(), &sidecar.dropped().into()));
    sidecar.signal();
    assert_eq!(sidecar.code(5), 0);
}

#[test]
fn an_audit_trail_that_nobody_takes_holds_up_neither_answers_nor_the_end() {
    let (reader, mut writer) = pipe().unwrap();
    fill(&mut writer);
    let mut untaken = command(PROGRAM, &[]);
    untaken.stdout(writer);
    let mut sidecar = Sidecar::start(untaken);
    for _ in 0..100 {
        // Each is refused, and so is a record or one that is counted.
        assert!(ask(sidecar.tokens, "/nothing").contains(" 403 "));
    }
    sidecar.signal();
    assert_eq!(sidecar.code(5), 0);
    drop(reader);
}

#[test]
fn a_wrong_configuration_ends_it_also_where_nobody_reads_why() {
    let (reader, mut writer) = pipe().unwrap();
    let mut unread = command(PROGRAM, &[("CAMBIST_LISTEN", "nowhere")]);
    unread.stderr(writer.try_clone().unwrap());
    fill(&mut writer);
    let mut child = unread.spawn().unwrap();
    assert_eq!(until(|| child.try_wait().unwrap()).code(), Some(64));
    drop(reader);
}

#[test]
fn it_gives_up_dumps_and_takes_the_files_it_may_have() {
    let mut limited = command("sh", &[]);
    limited.args(["-c", "ulimit -S -n 100 && ulimit -S -c unlimited; exec \"$0\"", PROGRAM]);
    let sidecar = Sidecar::start(limited);
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", sidecar.child.id()));
    let Ok(limits) = of("limits") else { return };
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let mut words = line[name.len()..].split_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    };
    assert_eq!(limit("Max core file size"), ("0".to_owned(), "0".to_owned()));
    let (soft, hard) = limit("Max open files");
    assert!(soft == hard || soft == "65536", "{soft} of {hard}");
}

#[test]
fn it_leaves_no_core() {
    let dir = tempfile::tempdir().unwrap();
    let aborted = |mut child: Child| {
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::ABORT).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(6));
        status.core_dumped()
    };
    let limited = |program: &str, argument: &str| {
        let mut command = command("sh", &[]);
        let script = "ulimit -c unlimited; exec \"$0\" $1";
        command.args(["-c", script, program, argument]).current_dir(dir.path());
        command
    };
    let Ok(sleep) = limited("sleep", "600").spawn() else { return };
    // It must have become what it is to be, and not be the shell any more.
    let name = format!("/proc/{}/comm", sleep.id());
    until(|| std::fs::read_to_string(&name).unwrap().starts_with("sleep").then_some(()));
    if !aborted(sleep) {
        println!("SKIPPED: nothing leaves a core here");
        return;
    }
    let mut sidecar = Sidecar::start(limited(PROGRAM, ""));
    let other = Command::new("true").spawn().unwrap();
    assert!(!aborted(std::mem::replace(&mut sidecar.child, other)));
}

#[test]
fn it_keeps_within_ten_threads_and_cannot_be_looked_into() {
    // The kernel counts by user and lets root off, so it takes root to be a user without other
    // processes.
    if !geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("cambist-sidecar");
    if std::fs::hard_link(PROGRAM, &program).is_err() {
        std::fs::copy(PROGRAM, &program).unwrap();
    }
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut limited = command("sh", &[("CAMBIST_PREFETCH", "https://vault.azure.net")]);
    // Which letter it is depends on the shell.
    let script = "ulimit -u 12 2>/dev/null || ulimit -p 12; exec \"$0\"";
    limited.args(["-c", script, program.to_str().unwrap()]).uid(54_321).gid(54_321);
    let mut sidecar = Sidecar::start(limited);
    let target = "/v1/token?scope=https://storage.azure.com/.default";
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let mut app = TcpStream::connect(sidecar.tokens).unwrap();
            let head = format!("Host: {}\r\nX-IDENTITY-HEADER: {SECRET}\r\n", sidecar.tokens);
            write!(app, "GET {target} HTTP/1.1\r\n{head}Connection: close\r\n\r\n").unwrap();
            app
        })
        .collect();
    for mut app in asking {
        let mut reply = String::new();
        app.read_to_string(&mut reply).unwrap();
        assert!(reply.contains("token_file_missing"), "{reply}");
    }
    let of = |file: &str| format!("/proc/{}/{file}", sidecar.child.id());
    let threads = std::fs::read_dir(of("task")).unwrap().count();
    assert!((4..=10).contains(&threads), "{threads}");
    // What belongs to a process that cannot be dumped is root's.
    assert_eq!(std::fs::metadata(of("environ")).unwrap().uid(), 0);
    for (file, ended) in
        [("/proc/self/environ", true), (&of("environ"), false), (&of("mem"), false)]
    {
        let mut look = Command::new("head");
        look.args(["-c", "0", file]).uid(54_321).gid(54_321);
        assert_eq!(look.output().unwrap().status.success(), ended, "{file}");
    }
    sidecar.signal();
    assert_eq!(sidecar.code(5), 0);
}

#[test]
fn running_out_of_files_ends_nothing() {
    // The limit on connections keeps within the first limit on files, and not within the second.
    flood("128", Duration::from_secs(2));
    flood("40", Duration::from_secs(10));
}

/// Fills the sidecar with idle connections, and must be answered in between within this time.
fn flood(files: &str, within: Duration) {
    let mut limited = command("sh", &[]);
    limited.args(["-c", "ulimit -n \"$1\" && exec \"$0\"", PROGRAM, files]);
    let mut sidecar = Sidecar::start(limited);
    let mut idle: Vec<_> = (0..300).map(|_| TcpStream::connect(sidecar.tokens).unwrap()).collect();
    idle.extend((0..60).map(|_| TcpStream::connect(sidecar.admin).unwrap()));
    let started = now();
    assert!(ask(sidecar.admin, "/live").starts_with("HTTP/1.1 200 "));
    assert!(ask(sidecar.tokens, "/msi/token").starts_with("HTTP/1.1 401 "));
    assert!(started.elapsed() < within, "{:?}", started.elapsed());
    drop(idle);
    let started = now();
    assert!(ask(sidecar.tokens, "/msi/token").starts_with("HTTP/1.1 401 "));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(sidecar.child.try_wait().unwrap().is_none());
}

#[test]
fn a_history_that_is_a_fifo_is_told_of_and_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("history");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let history = ("CAMBIST_HISTORY", fifo.to_str().unwrap());
    let mut sidecar = Sidecar::start(command(PROGRAM, &[history]));
    let said = sidecar.said.iter().find(|line| line.contains("the key history is ailing"));
    assert!(said.unwrap().contains("history is a FIFO, not a regular file"), "{said:?}");
    assert!(ask(sidecar.admin, "/live").starts_with("HTTP/1.1 200 "));
    sidecar.signal();
    assert_eq!(sidecar.code(5), 0);
}
