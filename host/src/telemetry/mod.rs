//! What the host tells of itself: its log, its metrics, and traces of jobs. Every name is declared once, here.

mod log;
pub mod metric;
mod otlp;
pub mod trace;

pub use log::{FILTER_VARIABLE, init};
pub use metric::Metrics;
pub use otlp::Collector;
pub use trace::Tracer;

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use trace::TraceConfig;

/// How long the end of a process waits for its last spans to be sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a process tells what it does.
#[derive(Clone)]
pub struct Telemetry {
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What makes traces; none where nobody asked for any.
    pub tracer: Option<Arc<Tracer>>,
}

impl Telemetry {
    /// Metrics, and traces where they are to be sent somewhere, on behalf of a process of this name. To be called inside a
    /// runtime.
    pub fn start(traces: Option<TraceConfig>, instance: &str) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::new()?);
        let tracer = traces.map(|mut config| {
            config.collector.instance = instance.to_owned();
            Tracer::start(config, metrics.worker.spans_dropped.clone())
        });
        Ok(Self { metrics, tracer })
    }

    /// Gives what was made last a little time to be sent.
    pub async fn close(&self) {
        if let Some(tracer) = &self.tracer {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, tracer.flush()).await;
        }
    }
}
