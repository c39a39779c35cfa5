//! A receiver of events, which answers as it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::wait_for;

/// How a receiver answers from now on.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With this status, and a body that nobody must show.
    Status(u16),
    /// With a redirect to this address.
    Redirect(String),
    /// Not at all.
    Hang,
}

/// What was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The path and the query.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Posted {
    /// A header, which must be there.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {self:#?}"))
            .1
            .as_str()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether it is signed with this secret, by the Standard Webhooks scheme.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let secret = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{timestamp}.{}", self.body).as_bytes());
        let expected = STANDARD.encode(mac.finalize().into_bytes());
        self.header("webhook-signature") == format!("v1,{expected}")
    }
}

/// What the receiver's threads share.
struct State {
    reply: Reply,
    posted: Vec<Posted>,
    /// Connections that are not answered, kept open.
    hanging: Vec<TcpStream>,
}

/// A receiver on a port of loopback.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What its answers say: to be found nowhere.
pub const RECEIVER_CANARY: &str = "canary-of-the-receiver-71c3";

impl Receiver {
    /// Answers in this way until it is told otherwise.
    pub fn new(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            reply,
            posted: Vec::new(),
            hanging: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), shared) = (stream, Arc::clone(&shared)) else {
                    continue;
                };
                std::thread::spawn(move || receive(stream, &shared));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it.
    pub fn url(&self) -> String {
        format!("http://{}/in?key=canary-of-the-url-88ab", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers in this way from now on.
    pub fn reply(&self, reply: Reply) {
        self.state().reply = reply;
    }

    /// All that was posted so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.state().posted.clone()
    }

    /// Waits until so much was posted, and answers with all of it.
    #[track_caller]
    pub fn wait(&self, count: usize) -> Vec<Posted> {
        wait_for(&format!("{count} events"), || {
            let posted = self.posted();
            (posted.len() >= count).then_some(posted)
        })
    }
}

fn receive(mut stream: TcpStream, shared: &Mutex<State>) {
    let Some(posted) = read(&stream) else {
        return;
    };
    let reply = {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.posted.push(posted);
        state.reply.clone()
    };
    let head = match reply {
        Reply::Status(status) => format!("HTTP/1.1 {status} Status"),
        Reply::Redirect(to) => format!("HTTP/1.1 307 Elsewhere\r\nlocation: {to}"),
        Reply::Hang => {
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            state.hanging.push(stream);
            return;
        }
    };
    let length = RECEIVER_CANARY.len();
    // Whoever asked may be gone.
    let _ = write!(
        stream,
        "{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{RECEIVER_CANARY}"
    );
}

fn read(stream: &TcpStream) -> Option<Posted> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let path = first.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?;
    let mut body = vec![0; length.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Posted {
        path,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}
