//! A server process, and a client that holds every answer against the server's document.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{Database, PATIENCE, hardstop, wait_for};

/// A running `hardstop serve`, killed with the test.
pub struct Server {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
    document: Value,
    token: Option<String>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The body of a good answer.
    #[track_caller]
    pub fn good(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:#?}");
        self.json()
    }

    /// The body of a problem of this kind.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:#?}"
        );
        let problem = self.json();
        assert_eq!(
            problem["type"],
            format!("urn:hardstop:problem:{kind}"),
            "{self:#?}"
        );
        assert_eq!(problem["status"], status, "{self:#?}");
        problem
    }
}

impl Server {
    /// Starts one without a worker on a free port of loopback, and waits until it is ready.
    #[track_caller]
    pub fn start(database: &Database) -> Self {
        Self::with(database, &["--no-worker"])
    }

    /// Starts one with these arguments on a free port of loopback, and waits until it is ready.
    #[track_caller]
    pub fn with(database: &Database, args: &[&str]) -> Self {
        Self::listening(database, "127.0.0.1:0", args)
    }

    /// Starts one that listens there, and waits until it is ready.
    #[track_caller]
    pub fn listening(database: &Database, address: &str, args: &[&str]) -> Self {
        let log = database.folder().join(format!("serve-{}.log", unique()));
        let args: Vec<&str> = ["serve", "--listen", address, "--database-url"]
            .into_iter()
            .chain([database.url()])
            .chain(args.iter().copied())
            .collect();
        let child = hardstop(database.folder(), &args)
            .env("HARDSTOP_LOG", "debug")
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            log,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            document: Value::Null,
            token: None,
        };
        let address = wait_for("the server's address", || server.logged_address());
        server.address = SocketAddr::from(([127, 0, 0, 1], address.port()));
        wait_for("the server to be ready", || {
            let answer = server.send("GET", "/readyz", &[], b"");
            (answer.status == 200).then_some(())
        });
        server.document = server.send("GET", "/api/v1/openapi.json", &[], b"").json();
        server
    }

    fn logged_address(&self) -> Option<SocketAddr> {
        let log = self.log();
        let (_, rest) = log.split_once("serving address=")?;
        rest.split_whitespace().next()?.parse().ok()
    }

    /// Sends this token with each request from now on.
    pub fn use_token(&mut self, token: Option<&str>) {
        self.token = token.map(str::to_owned);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The most memory that it has had so far, in bytes.
    pub fn memory_peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() << 10
    }

    /// Its document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks for a path under `/api/v1`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    /// Posts JSON to a path under `/api/v1`.
    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body))
    }

    /// Sends a request to a path under `/api/v1`. The answer must be one that the document tells of.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_with(method, path, &[], body)
    }

    /// The same with headers.
    #[track_caller]
    pub fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut headers = headers.to_vec();
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let text = body.map_or_else(String::new, |body| body.to_string());
        let answer = self.send(method, &format!("/api/v1{path}"), &headers, text.as_bytes());
        self.check(method, path, &answer);
        answer
    }

    /// Sends any request, and takes whatever comes.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let token = token.as_deref().map(|token| ("authorization", token));
        let headers: Vec<(&str, &str)> = token.into_iter().chain(headers.iter().copied()).collect();
        send_to(self.address, method, path, &headers, body)
    }

    /// A connection of its own.
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// The operation of the document that a request means.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == parts.len()
                && template
                    .iter()
                    .zip(&parts)
                    .all(|(want, is)| want == is || want.starts_with('{'))
        };
        let paths = self.document["paths"].as_object().unwrap();
        let exact = paths.get(path);
        let by_template = || {
            paths
                .iter()
                .find(|(name, _)| fits(name))
                .map(|(_, item)| item)
        };
        exact.or_else(by_template)?.get(method.to_ascii_lowercase())
    }

    /// Fails where the document does not tell of such an answer.
    #[track_caller]
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        let Some(operation) = self.operation(method, path) else {
            assert!(
                matches!(answer.status, 404 | 405),
                "{method} {path}: {answer:#?}"
            );
            return;
        };
        let mut response = &operation["responses"][answer.status.to_string()];
        if let Some(reference) = response["$ref"].as_str() {
            response = self.document.pointer(&reference[1..]).unwrap();
        }
        let media_type = answer.header("content-type").unwrap_or_default();
        let content = &response["content"][media_type];
        assert!(
            content.is_object(),
            "{method} {path}: not documented: {answer:#?}"
        );
        if content["schema"].is_null() {
            return;
        }
        let mut schema = json!({ "components": self.document["components"] });
        schema["allOf"] = json!([content["schema"]]);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let body = answer.json();
        let errors: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{method} {path}: {errors:#?}\n{body:#}");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended, and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "the server goes on:\n{}",
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends any request to an address, and takes whatever comes.
#[track_caller]
pub fn send_to(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut stream = connect(address);
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses a body may close before it has read all of it.
    let _ = stream.write_all(body);
    receive(stream)
}

/// Reads an answer to its end.
#[track_caller]
pub fn receive(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // What was read before the connection was reset may be a whole answer.
    let broken = stream.read_to_end(&mut bytes).err();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| {
        panic!(
            "no answer ({broken:?}): {:?}",
            String::from_utf8_lossy(&bytes)
        )
    });
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked")
    {
        body = unchunk(&body);
    }
    Answer {
        status: status.unwrap(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    body
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
