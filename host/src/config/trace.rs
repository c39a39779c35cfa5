//! `[traces]`, and the variables of OpenTelemetry that stand over it.

use std::collections::BTreeMap;
use std::time::Duration;

use hardstop_domain::quantity::duration_ms_option;
use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;

use crate::error::Error;
use crate::telemetry::Collector;
use crate::telemetry::trace::TraceConfig;

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const QUEUE_DEFAULT: usize = 4_096;
const QUEUE_MAX: usize = 1 << 20;
const SERVICE_DEFAULT: &str = "hardstop";
/// Where a collector takes traces, under its endpoint.
const PATH: &str = "/v1/traces";

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileTraces {
    endpoint: Option<String>,
    headers: BTreeMap<String, String>,
    service: Option<String>,
    sample: Option<f64>,
    queue: Option<usize>,
    #[serde(with = "duration_ms_option")]
    timeout: Option<u64>,
}

impl FileTraces {
    /// The configuration, variables over the file; none where nothing names a collector.
    pub fn under(
        self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<TraceConfig>, Error> {
        let variable = |name: &'static str| {
            let value = environment(name).filter(|value| !value.trim().is_empty());
            value.map(|value| (name, value.trim().to_owned()))
        };
        let either = |specific, general| variable(specific).or_else(|| variable(general));
        let is_off = |(_, value): (_, String)| value.eq_ignore_ascii_case("true");
        let sample = sample(&variable, self.sample.unwrap_or(1.0))?;
        let queue = match variable("OTEL_BSP_MAX_QUEUE_SIZE") {
            Some((name, value)) => number(name, &value)? as usize,
            None => self.queue.unwrap_or(QUEUE_DEFAULT),
        };
        if !(1..=QUEUE_MAX).contains(&queue) {
            return Err(Error::usage(format!(
                "traces.queue = {queue} is not from 1 to {QUEUE_MAX}"
            )));
        }
        let timeout = either(
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
        );
        let timeout = match timeout {
            Some((name, value)) => Duration::from_millis(number(name, &value)?),
            None => self.timeout.map_or(TIMEOUT_DEFAULT, Duration::from_millis),
        };
        if timeout.is_zero() {
            return Err(Error::usage("traces.timeout = 0 would send nothing"));
        }
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let given = either(
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_EXPORTER_OTLP_HEADERS",
        );
        match given {
            // `name=value,name=value`
            Some((variable, text)) => {
                for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    headers.push(header(variable, name.trim(), &unescape(value.trim()))?);
                }
            }
            None => {
                for (name, value) in &self.headers {
                    headers.push(header("traces.headers", name, value)?);
                }
            }
        }
        let endpoint = match variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            // With its path.
            Some((name, text)) => Some(endpoint(name, &text, "")?),
            None => match variable("OTEL_EXPORTER_OTLP_ENDPOINT") {
                Some((name, text)) => Some(endpoint(name, &text, PATH)?),
                None => match &self.endpoint {
                    Some(text) => Some(endpoint("traces.endpoint", text, PATH)?),
                    None => None,
                },
            },
        };
        let service = variable("OTEL_SERVICE_NAME").map(|(_, value)| value);
        let service = service
            .or(self.service)
            .unwrap_or_else(|| SERVICE_DEFAULT.to_owned());
        let off = variable("OTEL_SDK_DISABLED").is_some_and(is_off)
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|(_, value)| value == "none");
        Ok(endpoint.filter(|_| !off).map(|endpoint| TraceConfig {
            collector: Collector {
                endpoint,
                headers,
                timeout,
                service,
                instance: String::new(),
            },
            sample,
            queue,
        }))
    }
}

/// The share of traces to record: what others have decided is kept to in any case.
fn sample(
    variable: &dyn Fn(&'static str) -> Option<(&'static str, String)>,
    configured: f64,
) -> Result<f64, Error> {
    let (name, share) = match variable("OTEL_TRACES_SAMPLER") {
        None => ("traces.sample", configured),
        Some((name, value)) => match value.as_str() {
            "always_on" | "parentbased_always_on" => (name, 1.0),
            "always_off" | "parentbased_always_off" => (name, 0.0),
            "traceidratio" | "parentbased_traceidratio" => {
                let argument = variable("OTEL_TRACES_SAMPLER_ARG");
                let (name, text) = argument.unwrap_or((name, "1".to_owned()));
                let share = text.parse().map_err(|_| {
                    Error::usage(format!("{name} = {text} is not a number from 0 to 1"))
                })?;
                (name, share)
            }
            other => {
                return Err(Error::usage(format!("{name} = {other} is no sampler that there is"))
                    .hint("there are: always_on, always_off, traceidratio, and each with parentbased_ before it"));
            }
        },
    };
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(Error::usage(format!("{name} = {share} is not from 0 to 1"))),
    }
}

fn number(name: &str, text: &str) -> Result<u64, Error> {
    text.parse()
        .map_err(|_| Error::usage(format!("{name} = {text} is not a whole number")))
}

fn endpoint(name: &str, text: &str, path: &str) -> Result<Uri, Error> {
    let wrong = || {
        // Whatever is before an `@` may be a password.
        let shown = if text.contains('@') { "..." } else { text };
        Error::usage(format!("{name} = {shown} is not an address of a collector")).hint(
            "write it as http://localhost:4318; a collector beside the host sends on over TLS",
        )
    };
    let uri: Uri = format!("{}{path}", text.trim_end_matches('/'))
        .parse()
        .map_err(|_| wrong())?;
    let is_http = uri.scheme_str() == Some("http") && uri.host().is_some_and(|it| !it.is_empty());
    let has_user = uri.authority().is_some_and(|it| it.as_str().contains('@'));
    match is_http && !has_user {
        true => Ok(uri),
        false => Err(wrong()),
    }
}

/// A header; of its value nothing is said.
fn header(of: &str, name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let wrong = || Error::usage(format!("{of}: `{name}` or its value cannot be a header"));
    let name = HeaderName::try_from(name).map_err(|_| wrong())?;
    let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Text in which `%2C` stands for a comma, and so on. What is no such escape stays.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *first == b'%');
        let escaped = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: FileTraces, variables: &[(&str, &str)]) -> Result<Option<TraceConfig>, Error> {
        file.under(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_stand_over_the_file() {
        let file = || FileTraces {
            endpoint: Some("http://file:4318/".to_owned()),
            headers: [("a".to_owned(), "file".to_owned())].into(),
            sample: Some(0.5),
            ..FileTraces::default()
        };
        let config = read(file(), &[]).expect("valid").expect("an endpoint");
        assert_eq!(config.collector.endpoint, "http://file:4318/v1/traces");
        assert_eq!((config.sample, config.queue), (0.5, QUEUE_DEFAULT));
        assert!(!format!("{config:?}").contains("\"file\""), "{config:?}");
        let config = read(
            file(),
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%2Cc, d=e"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
                ("OTEL_SERVICE_NAME", "shop"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "7"),
            ],
        );
        let config = config.expect("valid").expect("an endpoint");
        let collector = &config.collector;
        assert_eq!(collector.endpoint, "http://env:4318/v1/traces");
        let headers: Vec<_> = collector
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_bytes()))
            .collect();
        assert_eq!(headers, [("a", &b"b,c"[..]), ("d", b"e")]);
        assert_eq!((config.sample, config.queue), (0.1, 7));
        assert_eq!(
            (collector.service.as_str(), collector.timeout.as_millis()),
            ("shop", 250)
        );
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:1/x"),
        ];
        let config = read(file(), &variables)
            .expect("valid")
            .expect("an endpoint");
        assert_eq!(config.collector.endpoint, "http://own:1/x");
        for off in [
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            assert!(read(file(), &[off]).expect("valid").is_none());
        }
        assert!(read(FileTraces::default(), &[]).expect("valid").is_none());
    }

    #[test]
    fn mistakes_name_the_variable() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a.example"),
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "http://user:secret@a.example",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a b=c"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_TRACES_SAMPLER", "xray"),
        ] {
            let error = read(FileTraces::default(), &[(name, value)]).expect_err(name);
            assert!(error.message.contains(name), "{error}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }
}
