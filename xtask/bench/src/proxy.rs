//! A network in between: everything that passes is delayed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;

/// The most that is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Socket(PathBuf),
    Tcp(String, u16),
}

impl Address {
    fn of(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse().context("the URL of the database")?;
        let port = options.get_port();
        Ok(match options.get_socket() {
            Some(folder) => Self::Socket(folder.join(format!(".s.PGSQL.{port}"))),
            None => Self::Tcp(options.get_host().to_owned(), port),
        })
    }

    /// A connection, to read from and to write to.
    fn connect(&self) -> std::io::Result<(Box<dyn Read + Send>, Box<dyn End>)> {
        Ok(match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path)?;
                (Box::new(stream.try_clone()?), Box::new(stream))
            }
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))?;
                stream.set_nodelay(true)?;
                (Box::new(stream.try_clone()?), Box::new(stream))
            }
        })
    }
}

/// What can be written to, and told that no more comes.
trait End: Write + Send {
    fn end(&self);
}

impl End for TcpStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl End for UnixStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// Listens as long as the process lives, and passes everything on to the server of a URL, each way this much later. The URL
/// of the same database over it.
///
/// Threads rather than tasks: timers of tokio are whole milliseconds.
pub fn start(url: &str, delay: Duration) -> Result<String> {
    let server = Address::of(url)?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let port = listener.local_addr()?.port();
    thread::Builder::new()
        .name("proxy".to_owned())
        .spawn(move || {
            for client in listener.incoming().flatten() {
                // The client sees the end of its connection.
                let _ = pass(client, &server, delay);
            }
        })?;
    Ok(with_address(url, port))
}

/// The same user and database at a port of this machine.
fn with_address(url: &str, port: u16) -> String {
    let place = url.split('?').next().unwrap_or(url);
    let (scheme, rest) = place.split_once("://").unwrap_or(("postgres", place));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let at = if user.is_empty() { "" } else { "@" };
    format!("{scheme}://{user}{at}127.0.0.1:{port}/{path}?sslmode=disable")
}

fn pass(client: TcpStream, server: &Address, delay: Duration) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (from_server, to_server) = server.connect()?;
    let from_client = client.try_clone()?;
    one_way(Box::new(from_client), to_server, delay)?;
    one_way(from_server, Box::new(client), delay)
}

/// What is read is written when its time has come. What comes meanwhile is as late, not later.
fn one_way(
    mut from: Box<dyn Read + Send>,
    mut to: Box<dyn End>,
    delay: Duration,
) -> std::io::Result<()> {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let thread = || thread::Builder::new().name("proxy".to_owned());
    thread().spawn(move || {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(count) = from.read(&mut buffer) {
            let due = Instant::now() + delay;
            if count == 0 || sender.send((due, buffer[..count].to_owned())).is_err() {
                return;
            }
        }
    })?;
    thread().spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        to.end();
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_database_over_the_proxy() -> Result<()> {
        for (url, over, address) in [
            (
                "postgres://u:p@localhost/db?host=/tmp/pg",
                "postgres://u:p@127.0.0.1:7/db?sslmode=disable",
                Address::Socket("/tmp/pg/.s.PGSQL.5432".into()),
            ),
            (
                "postgres://h:6000/db",
                "postgres://127.0.0.1:7/db?sslmode=disable",
                Address::Tcp("h".to_owned(), 6_000),
            ),
        ] {
            assert_eq!(with_address(url, 7), over);
            assert_eq!(Address::of(url)?, address);
        }
        Ok(())
    }

    #[test]
    fn all_that_passes_is_late() -> Result<()> {
        let server = TcpListener::bind("127.0.0.1:0")?;
        let port = server.local_addr()?.port();
        let delay = Duration::from_millis(20);
        let url = start(&format!("postgres://u@127.0.0.1:{port}/db"), delay)?;
        let options: PgConnectOptions = url.parse()?;
        let mut client = TcpStream::connect(("127.0.0.1", options.get_port()))?;
        let (mut other, _) = server.accept()?;
        let began = Instant::now();
        client.write_all(b"there")?;
        let mut bytes = [0; 5];
        other.read_exact(&mut bytes)?;
        assert_eq!(&bytes, b"there");
        other.write_all(&bytes)?;
        client.read_exact(&mut bytes)?;
        assert!(began.elapsed() >= 2 * delay, "{:?}", began.elapsed());
        drop(other);
        assert_eq!(client.read(&mut bytes)?, 0, "the end is passed on");
        Ok(())
    }
}
