//! Reads an answer of server-sent events.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use hardstop_tests::Server;
use serde_json::Value;

/// An event: name, id, data.
pub type Event = (String, String, Value);

/// An answer that goes on.
pub struct Stream(std::io::Lines<BufReader<TcpStream>>);

impl Stream {
    /// Of a path of the API, behind the event that was heard last.
    pub fn open(server: &Server, path: &str, last: Option<&str>) -> Self {
        let mut stream = server.connect();
        let last = last.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        write!(
            stream,
            "GET /api/v1{path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{last}\r\n",
            server.address()
        )
        .unwrap();
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next().unwrap().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        Self(lines)
    }

    /// The next event; none at the end.
    pub fn next(&mut self) -> Option<Event> {
        let (mut name, mut id) = (String::new(), String::new());
        loop {
            let line = self.0.next()?.unwrap();
            if let Some(text) = line.strip_prefix("event: ") {
                name = text.to_owned();
            } else if let Some(text) = line.strip_prefix("id: ") {
                id = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((name, id, serde_json::from_str(text).unwrap()));
            }
        }
    }

    /// So many more.
    pub fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next().unwrap()).collect()
    }

    /// All that are left.
    pub fn rest(mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
