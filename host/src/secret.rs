//! Where the values of secrets are: in the environment, in files, or behind commands.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hardstop_domain::capability::http::{HttpRule, HttpRules};
use hardstop_domain::capability::secret::{SECRET_BYTES_MAX, SecretName, SecretRule, TypeRules};
use hardstop_sandbox::{Revealing, SecretConfig, SecretSource, SecretValue};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::error::Error;

/// How long a value is used before it is asked for again.
const FRESH: Duration = Duration::from_secs(30);
/// How long a failure stands before it is tried again.
const FAILURE_STANDS: Duration = Duration::from_secs(1);
/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// `[secrets.NAME]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileSecret {
    env: Option<String>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    hosts: Vec<String>,
    usable_by: TypeRules,
    readable_by: TypeRules,
}

/// Where one value is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Env(String),
    File(PathBuf),
    /// A program and its arguments, without a shell.
    Command(Vec<String>),
}

/// Checks the table `[secrets]`.
pub(crate) fn configure(file: BTreeMap<SecretName, FileSecret>) -> Result<SecretConfig, Error> {
    let mut rules = BTreeMap::new();
    let mut sources = BTreeMap::new();
    for (name, secret) in file {
        let (rule, origin) = secret
            .check()
            .map_err(|error| error.context(format!("[secrets.{name}]")))?;
        rules.insert(name.clone(), rule);
        sources.insert(name, Source::new(origin));
    }
    Ok(SecretConfig {
        rules: Arc::new(rules),
        source: Arc::new(Sources { sources }),
    })
}

impl FileSecret {
    fn check(self) -> Result<(SecretRule, Origin), Error> {
        let origins = [
            self.env.map(Origin::Env),
            self.file.map(Origin::File),
            self.command.map(Origin::Command),
        ];
        let mut origins = origins.into_iter().flatten();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return Err(Error::usage("says not, or twice, where the value is")
                .hint("give one of: env = \"NAME\", file = \"PATH\", command = [\"PROGRAM\", \"ARGUMENT\"]"));
        };
        let is_empty = match &origin {
            Origin::Env(name) => name.is_empty(),
            Origin::File(path) => path.as_os_str().is_empty(),
            Origin::Command(words) => words.first().is_none_or(String::is_empty),
        };
        if is_empty {
            return Err(Error::usage("the place of its value is empty"));
        }
        let hosts = self
            .hosts
            .iter()
            .map(|host| match host.contains("://") {
                true => host.parse::<HttpRule>(),
                false => format!("https://{host}").parse(),
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::usage(format!("hosts: {error}")))?;
        if hosts.is_empty() && !self.usable_by.is_empty() {
            return Err(Error::usage(
                "usable_by without hosts: its placeholder would never be replaced",
            )
            .hint("name the hosts that it is for, such as hosts = [\"api.example.com\"]"));
        }
        let hosts =
            HttpRules::try_from(hosts).map_err(|error| Error::usage(format!("hosts: {error}")))?;
        let rule = SecretRule {
            hosts,
            usable_by: self.usable_by,
            readable_by: self.readable_by,
        };
        Ok((rule, origin))
    }
}

/// The operator's secrets.
#[derive(Debug)]
struct Sources {
    sources: BTreeMap<SecretName, Source>,
}

/// One secret: where its value is, and the value that was found there last. Attempts that need it at once
/// wait for one look.
struct Source {
    origin: Origin,
    found: Mutex<Option<(Instant, Result<SecretValue, String>)>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Source {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            found: Mutex::new(None),
        }
    }
}

impl SecretSource for Sources {
    fn reveal<'a>(&'a self, name: &'a SecretName) -> Revealing<'a> {
        Box::pin(async move {
            let source = self
                .sources
                .get(name)
                .ok_or_else(|| "it is not in hardstop.toml".to_owned())?;
            let mut found = source.found.lock().await;
            if let Some((at, value)) = &*found {
                let stands = if value.is_ok() { FRESH } else { FAILURE_STANDS };
                if at.elapsed() < stands {
                    return value.clone();
                }
            }
            let value = source.origin.look().await;
            *found = Some((Instant::now(), value.clone()));
            value
        })
    }
}

impl Origin {
    async fn look(&self) -> Result<SecretValue, String> {
        let mut value = match self {
            Self::Env(name) => from_env(name)?,
            Self::File(path) => from_file(path).await?,
            Self::Command(words) => from_command(words).await?,
        };
        // Files and commands end with a line end that nobody means.
        if value.last() == Some(&b'\n') {
            value.pop();
            if value.last() == Some(&b'\r') {
                value.pop();
            }
        }
        SecretValue::new(value).map_err(|error| error.to_string())
    }
}

fn from_env(name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    use std::os::unix::ffi::OsStringExt as _;
    let value = std::env::var_os(name)
        .ok_or_else(|| format!("the environment variable {name} is not set"))?;
    Ok(Zeroizing::new(value.into_vec()))
}

async fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = tokio::fs::File::open(path).await.map_err(cannot)?;
    read(file).await.map_err(cannot)
}

async fn from_command(words: &[String]) -> Result<Zeroizing<Vec<u8>>, String> {
    let (program, arguments) = words.split_first().ok_or("its command is empty")?;
    let cannot = |error: std::io::Error| format!("cannot run `{program}`: {error}");
    let running = async {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it says there could hold the value.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let output = child.stdout.take().ok_or("its command has no output")?;
        let value = read(output).await.map_err(cannot)?;
        if value.len() > SECRET_BYTES_MAX + 2 {
            // It may wait for more to be read.
            return Ok(value);
        }
        let status = child.wait().await.map_err(cannot)?;
        match status.success() {
            true => Ok(value),
            false => Err(format!("`{program}` failed: {status}")),
        }
    };
    tokio::time::timeout(COMMAND_TIMEOUT, running)
        .await
        .unwrap_or_else(|_| {
            let seconds = COMMAND_TIMEOUT.as_secs();
            Err(format!(
                "`{program}` took longer than {seconds}s and was killed"
            ))
        })
}

/// Everything, up to a little more than a value may have: a line end, and the byte that is too many.
async fn read(from: impl AsyncRead + Unpin) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let bytes_max = SECRET_BYTES_MAX + 3;
    // So large from the start that it never moves and leaves a copy behind.
    let mut value = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    from.take(bytes_max as u64).read_to_end(&mut value).await?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn look(origin: Origin) -> Result<SecretValue, String> {
        origin.look().await
    }

    fn command(script: &str) -> Origin {
        Origin::Command(["sh", "-c", script].map(str::to_owned).into())
    }

    #[tokio::test]
    async fn values_come_from_files_and_commands() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        for text in ["canary-value", "canary-value\n", "canary-value\r\n"] {
            std::fs::write(&path, text).expect("writes");
            let value = look(Origin::File(path.clone())).await.expect("a value");
            assert_eq!(format!("{value:?}"), "SecretValue(..)");
        }
        look(command("echo canary-value")).await.expect("a value");
        look(command("head -c 16384 /dev/zero | tr '\\0' a"))
            .await
            .expect("just so long");
    }

    #[tokio::test]
    async fn what_is_missing_is_named_and_no_value_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let short = folder.path().join("short");
        std::fs::write(&short, "canary\n").expect("writes");
        for (origin, expected) in [
            (
                Origin::Env("HARDSTOP_TEST_UNSET".to_owned()),
                "the environment variable HARDSTOP_TEST_UNSET is not set",
            ),
            (
                Origin::File(folder.path().join("none")),
                "none: No such file",
            ),
            (
                Origin::File(short),
                "its value has 6 bytes and must have 8 to 16384",
            ),
            (
                command("echo canary-value; exit 3"),
                "`sh` failed: exit status: 3",
            ),
            (command("yes canary-value"), "its value has 16387 bytes"),
            (command("printf 'canary-value\\377'"), "not UTF-8 text"),
            (
                Origin::Command(vec!["/nowhere/program".to_owned()]),
                "cannot run `/nowhere/program`",
            ),
        ] {
            let error = look(origin).await.expect_err(expected);
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("canary-value"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_value_is_looked_for_once_in_a_while() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = folder.path().join("count");
        let script = format!("echo >> {}; echo canary-value", count.display());
        let name: SecretName = "KEY".parse().expect("a name");
        let sources = [(name.clone(), Source::new(command(&script)))].into();
        let sources = Sources { sources };
        let looks = (0..8).map(|_| sources.reveal(&name));
        for value in futures::future::join_all(looks).await {
            value.expect("a value");
        }
        assert_eq!(std::fs::read(&count).expect("ran").len(), 1);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("", "says not, or twice"),
            ("env = 'A'\nfile = 'b'", "says not, or twice"),
            ("command = []", "is empty"),
            ("env = ''", "is empty"),
            ("env = 'A'\nhosts = ['a b']", "hosts: HTTP rule"),
            ("env = 'A'\nusable_by = ['bill']", "usable_by without hosts"),
        ] {
            let secret: FileSecret = toml::from_str(text).expect(text);
            let error = secret.check().expect_err(text);
            assert!(error.message.contains(expected), "{text}: {error}");
        }
        let secret: FileSecret = toml::from_str(
            "env = 'A'\nhosts = ['api.example.com', 'http://[::1]:80/x']\nusable_by = ['*']",
        )
        .expect("valid");
        let (rule, _) = secret.check().expect("valid");
        let hosts: Vec<String> = rule.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["https://api.example.com", "http://[::1]/x"]);
    }
}
