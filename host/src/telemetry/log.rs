//! Logging of the host itself. Jobs' logs are data, and are kept with their attempts.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// The environment variable that filters the host's log, such as `debug` or `hardstop=debug,warn`.
pub const FILTER_VARIABLE: &str = "HARDSTOP_LOG";

/// Sends the host's log to standard error. `default` filters where [`FILTER_VARIABLE`] is not set.
pub fn init(default: &str, json: bool) {
    let filter =
        EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_timer(SystemTime);
    // A second call in one process keeps the first: an embedder may have set its own.
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}
