//! Where a server is, and with which token it is asked.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};

use crate::error::Error;

/// The variable that holds a token. There is no flag for it: the arguments of a process are seen by all users.
pub const TOKEN_VARIABLE: &str = "HARDSTOP_TOKEN";

/// The address of a server: `http://HOST:PORT` or `https://HOST`, and a path where a proxy serves it under one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) is_tls: bool,
    pub(super) authority: Authority,
    /// Without the slash at its end.
    pub(super) path: String,
}

impl Address {
    /// The port to connect to.
    pub(super) fn port(&self) -> u16 {
        let default = if self.is_tls { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    /// The host to connect to: an address without brackets, or a name.
    pub(super) fn host(&self) -> &str {
        let host = self.authority.host();
        let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        inner.unwrap_or(host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = |what: &str| format!("{what}: write http://HOST:PORT or https://HOST");
        let uri: Uri = text.parse().map_err(|_| form("it is no URL"))?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(form("its scheme is not http or https")),
        };
        let authority = uri.authority().cloned();
        let authority = authority.ok_or_else(|| form("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(form("it holds a user, which a server does not know"));
        }
        if authority.host().is_empty() || authority.as_str().ends_with(':') {
            return Err(form("it names no host or no port"));
        }
        if uri.query().is_some() {
            return Err(form("it has a query"));
        }
        Ok(Self {
            is_tls,
            authority,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// The token that the file holds, or else the variable; none where neither is given.
pub fn token(file: Option<&Path>) -> Result<Option<HeaderValue>, Error> {
    let (text, place) = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::usage(format!(
                    "cannot read the token file {}: {error}",
                    path.display()
                ))
            })?;
            (text, path.display().to_string())
        }
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => (text, TOKEN_VARIABLE.to_owned()),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(Error::usage(format!("{TOKEN_VARIABLE}: {error}"))),
        },
    };
    let text = text.trim();
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let header = is_token.then(|| HeaderValue::from_str(&format!("Bearer {text}")).ok());
    let mut header = header.flatten().ok_or_else(|| {
        Error::usage(format!("{place} does not hold a token"))
            .hint("`hardstop token create` prints one, on a line")
    })?;
    // It is shown nowhere.
    header.set_sensitive(true);
    Ok(Some(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, shown, host, port) in [
            (
                "http://localhost:8080",
                "http://localhost:8080",
                "localhost",
                8080,
            ),
            (
                "https://jobs.example/",
                "https://jobs.example",
                "jobs.example",
                443,
            ),
            ("http://[::1]:9/", "http://[::1]:9", "::1", 9),
            ("HTTP://a/b/", "http://a/b", "a", 80),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!((address.host(), address.port()), (host, port));
        }
        for text in [
            "",
            "localhost:8080",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a?b=c",
            "http://a:",
            "/path",
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
    }
}
