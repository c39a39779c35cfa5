//! A network that fails: between a worker and Postgres.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Forwards connections to Postgres, until it is told to forward nothing. Then nobody is told
/// anything: connections are neither refused nor closed, and those that sent something meanwhile
/// stay silent for ever, as behind a firewall that has forgotten them.
pub struct Proxy {
    url: String,
    silent: Arc<AtomicBool>,
}

enum Upstream {
    Unix(String),
    Tcp(String),
}

impl Proxy {
    /// Before the database of this URL.
    pub fn before(url: &str) -> Self {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = address.split_once("://").unwrap();
        let (server, name) = rest.rsplit_once('/').unwrap();
        let (user, host) = server.rsplit_once('@').unwrap();
        let folder = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("host="))
            .filter(|host| host.starts_with('/'));
        let upstream = match folder {
            Some(folder) => Upstream::Unix(format!("{folder}/.s.PGSQL.5432")),
            None if host.contains(':') => Upstream::Tcp(host.to_owned()),
            None => Upstream::Tcp(format!("{host}:5432")),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(AtomicBool::new(false));
        let proxy = Self {
            url: format!("{scheme}://{user}@127.0.0.1:{port}/{name}"),
            silent: Arc::clone(&silent),
        };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                match &upstream {
                    Upstream::Unix(path) => {
                        let server = UnixStream::connect(path).unwrap();
                        let back = server.try_clone().unwrap();
                        forward(client, server, back, &silent);
                    }
                    Upstream::Tcp(address) => {
                        let server = TcpStream::connect(address).unwrap();
                        let back = server.try_clone().unwrap();
                        forward(client, server, back, &silent);
                    }
                }
            }
        });
        proxy
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on nothing gets through, or new connections do again.
    pub fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

fn forward(
    client: TcpStream,
    server: impl Write + Send + 'static,
    back: impl Read + Send + 'static,
    silent: &Arc<AtomicBool>,
) {
    let (there, here) = (Arc::clone(silent), Arc::clone(silent));
    let from = client.try_clone().unwrap();
    std::thread::spawn(move || pump(from, server, &there));
    std::thread::spawn(move || {
        let to = client.try_clone().unwrap();
        pump(back, to, &here);
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn pump(mut from: impl Read, mut to: impl Write, silent: &AtomicBool) {
    let mut bytes = [0; 16_384];
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        if silent.load(Ordering::SeqCst) {
            // For ever: what it holds stays open until the test's process ends.
            loop {
                std::thread::park();
            }
        }
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}
