//! A headless browser, driven as W3C WebDriver has it.
//!
//! The protocol is JSON over HTTP, which the harness speaks to servers already. Clients that exist bring an asynchronous
//! runtime and old versions of much that the workspace has.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{PATIENCE, wait_for};

/// What a missing browser is answered with.
const MISSING: &str =
    "the tests need a browser and its driver: apt-get install -y chromium chromium-driver";
/// The key under which the protocol names elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser of a test's own, closed with it.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Opens one with an empty profile.
    #[track_caller]
    pub fn open() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect(MISSING);
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                let line = line.unwrap();
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says its port");
        // What it says further is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            _profile: profile,
        };
        let made = browser.ask("POST", "/session", &browser.capabilities());
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    fn capabilities(&self) -> Value {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--hide-scrollbars", "--force-prefers-reduced-motion", profile,
            ],
        });
        json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": PATIENCE.as_millis() as u64, "pageLoad": PATIENCE.as_millis() as u64 },
        } } })
    }

    /// Sends a command of the session. What it answers, or the error that it answers with.
    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.send(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = stream.map_err(|error| json!(error.to_string()))?;
        stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        let body = match method {
            "POST" => body.to_string(),
            _ => String::new(),
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .unwrap();
        // It may keep the connection: the head says where the body ends.
        let mut reader = BufReader::new(stream);
        let (mut status, mut length) = (String::new(), 0);
        reader.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        match status.split(' ').nth(1) {
            Some("200") => Ok(answer["value"].take()),
            _ => Err(answer["value"].take()),
        }
    }

    /// Goes to an address, and waits until its page is there.
    #[track_caller]
    pub fn go(&self, address: &str) {
        self.command("POST", "/url", &json!({ "url": address }))
            .unwrap();
    }

    /// Where it is.
    #[track_caller]
    pub fn address(&self) -> String {
        let address = self.command("GET", "/url", &Value::Null).unwrap();
        address.as_str().unwrap().to_owned()
    }

    /// Runs a script in the page: the body of a function that gets `arguments`.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        let body = json!({ "script": script, "args": arguments });
        self.command("POST", "/execute/sync", &body).unwrap()
    }

    /// The text that is seen of the first element that a selector means, as soon as there is one.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        wait_for(&format!("{selector} at {}", self.address()), || {
            let script = "return document.querySelector(arguments[0])?.innerText ?? null";
            self.run(script, &[json!(selector)])
                .as_str()
                .map(str::to_owned)
        })
    }

    /// Waits until what is seen of a page has this text.
    #[track_caller]
    pub fn wait_text(&self, text: &str) {
        wait_for(
            &format!("{text:?} in the page: {}", self.text("body")),
            || self.text("body").contains(text).then_some(()),
        );
    }

    /// Acts on the first element that a selector means, as soon as there is one that lets it.
    #[track_caller]
    fn act(&self, selector: &str, action: &str, body: &Value) {
        // It may be exchanged between the two commands by the page itself.
        wait_for(
            &format!("{action} of {selector} at {}", self.address()),
            || {
                let asked = json!({ "using": "css selector", "value": selector });
                let found = self.command("POST", "/element", &asked).ok()?;
                let id = found[ELEMENT].as_str()?;
                self.command("POST", &format!("/element/{id}/{action}"), body)
                    .ok()
            },
        );
    }

    /// Clicks on an element.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.act(selector, "click", &json!({}));
    }

    /// Writes into a field, in the place of what is there.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        self.act(selector, "clear", &json!({}));
        self.act(selector, "value", &json!({ "text": text }));
    }

    /// Presses keys, one after the other, wherever the focus is. `\u{e004}` is Tab, `\u{e007}` is Enter.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] });
        self.command("POST", "/actions", &body).unwrap();
    }

    /// Gives its window this size, in pixels of the page, and this preference of colours.
    #[track_caller]
    pub fn size(&self, width: u32, height: u32, colours: &str) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        let features =
            json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    #[track_caller]
    fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", &body).unwrap()
    }

    /// Whether scripts run from the next page on.
    #[track_caller]
    pub fn allow_scripts(&self, allowed: bool) {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": !allowed }),
        );
    }

    /// Keeps a picture of the whole page.
    #[track_caller]
    pub fn picture(&self, path: &Path) {
        let picture = self.devtools(
            "Page.captureScreenshot",
            json!({ "captureBeyondViewport": true }),
        );
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// What pages have complained about since this was last asked.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let entries = self
            .command("POST", "/se/log", &json!({ "type": "browser" }))
            .unwrap();
        let entries = entries.as_array().unwrap().iter();
        let complaints =
            entries.filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        complaints
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.command("DELETE", "", &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
