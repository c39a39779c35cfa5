//! Where a guest's HTTP requests may go: rules, and whether a request matches one.
//!
//! A rule is written `[METHODS ]SCHEME://HOST[:PORT][/PATH]`, such as `https://api.example.com` or
//! `GET,POST https://*.example.org:8443/v1`. A type's manifest and the operator's configuration each have
//! a list, and a request needs a rule of both.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::parse_port;

/// How many rules one list may have.
pub const HTTP_RULES_MAX: usize = 256;
/// The longest rule, in bytes.
pub const HTTP_RULE_BYTES_MAX: usize = 1 << 10;
/// The longest name of a host, in bytes.
const NAME_BYTES_MAX: usize = 253;
/// The longest part of it between two dots, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// In the open.
    Http,
    /// Through TLS.
    Https,
}

impl Scheme {
    /// As an address writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| text.eq_ignore_ascii_case(scheme.name()))
    }
}

/// Whom a request is for: a name in lower case without a last dot, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// To be looked up.
    Name(String),
    /// Written as such.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// What makes a host and port unusable, in a rule or in a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// `user@host`.
    #[error("it names a user or password: leave out what is before `@`")]
    UserInfo,
    /// Not a port.
    #[error("its port `{0}` is not a number from 1 to 65535")]
    Port(String),
    /// Not ASCII.
    #[error("its host has letters beyond ASCII: write it as DNS does (`xn--...`)")]
    NotAscii,
    /// Numbers that only some programs take for an address: `127.1`, `0x7f000001`, `010.0.0.1`.
    #[error(
        "its host `{0}` is a number, but not an address as it is usually written: write `127.0.0.1`"
    )]
    OddAddress(String),
    /// No host at all, or one that no DNS can have.
    #[error(
        "its host `{0}` is not a name of letters, digits, `-` and `_` between dots, nor an address"
    )]
    Host(String),
}

fn parse_host(text: &str) -> Result<Host, AuthorityError> {
    let shown = || text.chars().take(80).collect::<String>();
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner
            .strip_suffix(']')
            .and_then(|it| it.parse::<Ipv6Addr>().ok());
        return match address {
            Some(address) => Ok(Host::Address(IpAddr::V6(address))),
            None => Err(AuthorityError::Host(shown())),
        };
    }
    if !text.is_ascii() {
        return Err(AuthorityError::NotAscii);
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(AuthorityError::Host(shown()));
    }
    // Where the last part is a number, some resolvers take the whole for an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = match last.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    };
    if is_number {
        return Err(AuthorityError::OddAddress(shown()));
    }
    Ok(Host::Name(name))
}

/// Splits a port off, unless the colon is one of an address.
fn split_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), AuthorityError> {
    let colon = match authority.rfind(']') {
        Some(end) => authority[end..].find(':').map(|at| end + at),
        None => authority.find(':'),
    };
    match colon {
        None => Ok((authority, scheme.default_port())),
        Some(at) => {
            let port = &authority[at + 1..];
            let parsed = parse_port(port)
                .ok_or_else(|| AuthorityError::Port(port.chars().take(20).collect()))?;
            Ok((&authority[..at], parsed))
        }
    }
}

/// The parts of a path between slashes, percent-decoded; none where servers could read it differently: with
/// `.` and `..`, empty parts, and slashes, backslashes, percent signs or control characters in disguise.
fn segments(path: &str) -> Option<Vec<Vec<u8>>> {
    let Some(rest) = path.strip_prefix('/') else {
        return path.is_empty().then(Vec::new);
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        // `//` has an empty part.
        return (path.len() < 2).then(Vec::new);
    }
    rest.split('/').map(segment).collect()
}

fn segment(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let [high, low] =
                    [bytes.next()?, bytes.next()?].map(|it| (it as char).to_digit(16));
                (high? * 16 + low?) as u8
            }
            b'?' | b'#' => return None,
            other => other,
        };
        // A decoded `%` could be decoded once more.
        if matches!(byte, b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f) {
            return None;
        }
        decoded.push(byte);
    }
    // Some servers take what follows `;` for a parameter, and then see `..`.
    let name = decoded
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    (!matches!(name, b"" | b"." | b"..")).then_some(decoded)
}

/// A request, as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// How it travels.
    pub scheme: Scheme,
    /// Whom it is for.
    pub host: Host,
    /// From 1.
    pub port: u16,
    /// In capitals, as `GET`.
    pub method: String,
    /// None where a path cannot be told for sure: such a request matches only rules without a path.
    path: Option<Vec<Vec<u8>>>,
}

impl HttpTarget {
    /// Reads a request's parts: the authority is `host[:port]`, the path may have a query.
    pub fn new(
        scheme: Scheme,
        authority: &str,
        method: &str,
        path: &str,
    ) -> Result<Self, AuthorityError> {
        if authority.contains('@') {
            return Err(AuthorityError::UserInfo);
        }
        let (host, port) = split_port(authority, scheme)?;
        let path = path.split('?').next().unwrap_or_default();
        Ok(Self {
            scheme,
            host: parse_host(host)?,
            port,
            method: method.to_owned(),
            path: segments(path),
        })
    }

    /// The request's origin, `https://api.example.com`: a rule that matches it, too.
    pub fn origin(&self) -> String {
        origin(self.scheme, &self.host, self.port)
    }
}

fn origin(scheme: Scheme, host: impl fmt::Display, port: u16) -> String {
    match port == scheme.default_port() {
        true => format!("{}://{host}", scheme.name()),
        false => format!("{}://{host}:{port}", scheme.name()),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    /// `*`: every name and address.
    Any,
    /// `*.example.org`: each name below this one, but not the name itself.
    Below(String),
    Exact(Host),
}

impl HostPattern {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exact(own), host) => own == host,
            (Self::Below(suffix), Host::Name(name)) => is_below(name, suffix),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Exact(host), pattern) | (pattern, Self::Exact(host)) => pattern.matches(host),
            (Self::Below(one), Self::Below(other)) => {
                one == other || is_below(one, other) || is_below(other, one)
            }
        }
    }
}

fn is_below(name: &str, suffix: &str) -> bool {
    let label = name
        .strip_suffix(suffix)
        .and_then(|rest| rest.strip_suffix('.'));
    label.is_some_and(|label| !label.is_empty())
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
            Self::Exact(host) => host.fmt(f),
        }
    }
}

/// One place that requests may go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct HttpRule {
    /// In capitals. Empty: every method.
    methods: BTreeSet<String>,
    scheme: Scheme,
    host: HostPattern,
    port: u16,
    /// What the path begins with, part by part. Empty: every path.
    path: Vec<Vec<u8>>,
    /// The path as it was written.
    path_text: String,
}

/// Text that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HTTP rule `{rule}`: {problem}")]
pub struct HttpRuleError {
    /// The text, cut.
    pub rule: String,
    /// What is wrong with it.
    pub problem: HttpRuleProblem,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpRuleProblem {
    /// Over [`HTTP_RULE_BYTES_MAX`].
    #[error("it has {0} bytes and may have {HTTP_RULE_BYTES_MAX}")]
    TooLong(usize),
    /// Not of this form.
    #[error(
        "it is not of the form `[METHODS ]SCHEME://HOST[:PORT][/PATH]`, as in \
         `GET,POST https://api.example.com/v1`, with http or https for SCHEME"
    )]
    Form,
    /// Not a method.
    #[error("its method `{0}` is not written in capitals, as `GET`, or cannot be granted")]
    Method(String),
    /// Host or port.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A path that servers could read differently.
    #[error(
        "its path `{0}` has a query, `.`, `..`, an empty part or an encoded slash: write the plain \
         beginning of the paths to allow"
    )]
    Path(String),
}

impl HttpRule {
    /// Whether a request matches.
    pub fn matches(&self, target: &HttpTarget) -> bool {
        self.scheme == target.scheme
            && self.port == target.port
            && self.host.matches(&target.host)
            && (self.methods.is_empty() || self.methods.contains(&target.method))
            && (self.path.is_empty()
                || target
                    .path
                    .as_ref()
                    .is_some_and(|path| path.starts_with(&self.path)))
    }

    /// Whether any request could match both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port == other.port
            && self.host.overlaps(&other.host)
            && (self.methods.is_empty()
                || other.methods.is_empty()
                || !self.methods.is_disjoint(&other.methods))
            && (self.path.starts_with(&other.path) || other.path.starts_with(&self.path))
    }

    fn parse(text: &str) -> Result<Self, HttpRuleProblem> {
        if text.len() > HTTP_RULE_BYTES_MAX {
            return Err(HttpRuleProblem::TooLong(text.len()));
        }
        let (methods, url) = match text.split_once(' ') {
            Some((methods, url)) => (methods.split(',').collect(), url.trim_start()),
            None => (Vec::new(), text),
        };
        if let Some(bad) = methods.iter().find(|method| !is_method(method)) {
            return Err(HttpRuleProblem::Method(bad.chars().take(40).collect()));
        }
        let (scheme, rest) = url.split_once("://").ok_or(HttpRuleProblem::Form)?;
        let scheme = Scheme::parse(scheme).ok_or(HttpRuleProblem::Form)?;
        let slash = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        if authority.contains('@') {
            return Err(AuthorityError::UserInfo.into());
        }
        let (host, port) = split_port(authority, scheme)?;
        let host = match (host, host.strip_prefix("*.")) {
            ("*", _) => HostPattern::Any,
            (_, Some(suffix)) => match parse_host(suffix)? {
                Host::Name(name) => HostPattern::Below(name),
                Host::Address(_) => return Err(AuthorityError::Host(host.to_owned()).into()),
            },
            (_, None) => HostPattern::Exact(parse_host(host)?),
        };
        let segments = segments(path).ok_or_else(|| HttpRuleProblem::Path(path.to_owned()))?;
        Ok(Self {
            methods: methods.into_iter().map(str::to_owned).collect(),
            scheme,
            host,
            port,
            path: segments,
            path_text: path.to_owned(),
        })
    }
}

/// Whether a method can be granted. `CONNECT` cannot: it would open a tunnel past every rule.
fn is_method(text: &str) -> bool {
    !text.is_empty()
        && text != "CONNECT"
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

impl FromStr for HttpRule {
    type Err = HttpRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|problem| HttpRuleError {
            rule: text.chars().take(120).collect(),
            problem,
        })
    }
}

impl TryFrom<String> for HttpRule {
    type Error = HttpRuleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HttpRule> for String {
    fn from(rule: HttpRule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            let methods: Vec<&str> = self.methods.iter().map(String::as_str).collect();
            write!(f, "{} ", methods.join(","))?;
        }
        f.write_str(&origin(self.scheme, &self.host, self.port))?;
        f.write_str(&self.path_text)
    }
}

/// A list of rules: a request needs one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<HttpRule>", into = "Vec<HttpRule>")]
pub struct HttpRules(Vec<HttpRule>);

/// More rules than a list may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a list of {0} HTTP rules is over the maximum of {HTTP_RULES_MAX}: use `*.` or shorter paths"
)]
pub struct TooManyRules(usize);

impl HttpRules {
    /// Whether a request matches one of them.
    pub fn allow(&self, target: &HttpTarget) -> bool {
        self.0.iter().any(|rule| rule.matches(target))
    }

    /// The rules.
    pub fn iter(&self) -> impl Iterator<Item = &HttpRule> {
        self.0.iter()
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first rule of this list that no request can match together with one of the other's.
    pub fn first_outside(&self, other: &Self) -> Option<&HttpRule> {
        self.0
            .iter()
            .find(|rule| !other.0.iter().any(|it| it.overlaps(rule)))
    }
}

impl TryFrom<Vec<HttpRule>> for HttpRules {
    type Error = TooManyRules;

    fn try_from(rules: Vec<HttpRule>) -> Result<Self, Self::Error> {
        match rules.len() {
            0..=HTTP_RULES_MAX => Ok(Self(rules)),
            count => Err(TooManyRules(count)),
        }
    }
}

impl From<HttpRules> for Vec<HttpRule> {
    fn from(rules: HttpRules) -> Self {
        rules.0
    }
}

#[cfg(test)]
mod tests;
