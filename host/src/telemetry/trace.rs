//! Traces: spans of jobs, made of what is on record, sent to a collector over OTLP.
//!
//! A span is made when the settlement of its attempt was committed, with the times that the database told; work that was
//! rolled back leaves none. The ids of a job's spans follow from the job's id and the number of its run, so no host has to
//! tell another: whoever settles a continuation knows the span that it follows.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{ChainId, JobId, OutcomeKind, Timestamp, TypeName};
use hardstop_store::{ClaimedJob, Settlement};
use prometheus::IntCounter;
use tokio::sync::{mpsc, oneshot};

use super::otlp;

/// How traces are made and where they go.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// Where to send them.
    pub collector: otlp::Collector,
    /// The share of traces that are recorded, from 0 to 1, of those that nobody has decided on before.
    pub sample: f64,
    /// How many spans may wait to be sent. Those that come on top are dropped.
    pub queue: usize,
}

/// A trace and a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    trace: u128,
    /// The span that is the parent of what comes next; none at the root.
    span: Option<u64>,
    sampled: bool,
}

impl Context {
    /// Reads a W3C `traceparent`. None where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = parts.next().filter(|it| it.len() == 2 && *it != "ff")?;
        u8::from_str_radix(version, 16).ok()?;
        let trace = parts.next().filter(|it| it.len() == 32)?;
        let span = parts.next().filter(|it| it.len() == 16)?;
        let flags = parts.next().filter(|it| it.len() == 2)?;
        // Later versions may have more.
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        if ![trace, span, flags].into_iter().all(is_hex) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace,
            span: Some(span),
            sampled: flags & 1 == 1,
        })
    }

    fn text(trace: u128, span: u64, sampled: bool) -> String {
        format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(sampled))
    }
}

/// What a span stands for.
#[derive(Debug, Clone, Copy)]
enum Part {
    Start = 1,
    Wait = 2,
    Attempt = 3,
}

/// The id of a job's span. Runs of one job, and jobs of one millisecond, have ids far apart.
fn span_id(job: JobId, part: Part, run: u32) -> u64 {
    // The random half of a UUIDv7.
    let low = job.0.as_u128() as u64;
    mix(low.wrapping_add((u64::from(run) << 2) | part as u64)).max(1)
}

/// The mixing of splitmix64: numbers that are close become numbers that are far apart.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A span.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace: u128,
    /// Its id.
    pub id: u64,
    /// The span that it belongs under.
    pub parent: Option<u64>,
    /// What it is, in few words and without anything that a job brought.
    pub name: String,
    /// As OTLP numbers them: 1 internal, 4 producer, 5 consumer.
    pub kind: u8,
    /// When it began,
    pub from: Timestamp,
    /// and when it ended.
    pub to: Timestamp,
    /// Names and values.
    pub attributes: Vec<(&'static str, Value)>,
    /// Spans of other traces, or of this one, that it waited for.
    pub links: Vec<(u128, u64)>,
    /// What went wrong.
    pub failure: Option<OutcomeKind>,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

/// What is known of an attempt's place in its trace before it is settled.
#[derive(Debug)]
pub struct Traced {
    context: Context,
    job: JobId,
    chain: ChainId,
    type_name: TypeName,
    attempt: u32,
    run: u32,
    is_first: bool,
    created_at: Timestamp,
    due_at: Timestamp,
    claimed_at: Timestamp,
    links: Vec<(u128, u64)>,
}

impl Traced {
    /// The `traceparent` of the attempt, for the guest, its requests and whatever it starts.
    pub fn trace_parent(&self) -> String {
        let span = span_id(self.job, Part::Attempt, self.run);
        Context::text(self.context.trace, span, self.context.sampled)
    }

    /// The trace, as logs name it.
    pub fn id(&self) -> String {
        format!("{:032x}", self.context.trace)
    }

    /// Its spans, now that its settlement is on record and the attempt took so long.
    fn spans(&self, took: Duration, settlement: &Settlement) -> Vec<Span> {
        let start = span_id(self.job, Part::Start, 0);
        let span = |part: Part, name: &str, kind, from, to| Span {
            trace: self.context.trace,
            id: match part {
                Part::Start => start,
                part => span_id(self.job, part, self.run),
            },
            parent: match part {
                Part::Start => self.context.span,
                Part::Wait | Part::Attempt => Some(start),
            },
            name: format!("{name} {}", self.type_name),
            kind,
            from,
            to,
            attributes: vec![
                ("hardstop.job.id", Value::Text(self.job.to_string())),
                ("hardstop.chain.id", Value::Text(self.chain.to_string())),
                ("hardstop.job.type", Value::Text(self.type_name.to_string())),
            ],
            links: Vec::new(),
            failure: None,
        };
        let took = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        let ended_at = Timestamp(self.claimed_at.0.saturating_add(took));
        let mut spans = Vec::with_capacity(3);
        if self.is_first {
            spans.push(span(
                Part::Start,
                "start",
                4,
                self.created_at,
                self.created_at,
            ));
        }
        // One that waited for blockers was due when the last of them closed.
        spans.push(span(
            Part::Wait,
            "wait",
            1,
            self.due_at.min(self.claimed_at),
            self.claimed_at,
        ));
        let mut attempt = span(Part::Attempt, "attempt", 5, self.claimed_at, ended_at);
        attempt.attributes.extend([
            ("hardstop.attempt", Value::Number(self.attempt.into())),
            ("hardstop.run", Value::Number(self.run.into())),
            (
                "hardstop.outcome",
                Value::Text(settlement.outcome.name().to_owned()),
            ),
        ]);
        attempt.links.clone_from(&self.links);
        attempt.failure = Some(settlement.outcome).filter(|kind| kind.is_failure());
        spans.push(attempt);
        spans
    }
}

/// Makes spans and hands them to whoever sends them.
#[derive(Debug)]
pub struct Tracer {
    sample: f64,
    queue: mpsc::Sender<Letter>,
    dropped: IntCounter,
}

/// What comes to whoever sends spans.
#[derive(Debug)]
pub enum Letter {
    /// One to send.
    Span(Span),
    /// To be answered when all that came before was sent or given up.
    Flush(oneshot::Sender<()>),
}

impl Tracer {
    /// A tracer whose spans are sent by a task of this runtime, for as long as the tracer lives. `dropped` counts those that
    /// could not be.
    pub fn start(config: TraceConfig, dropped: IntCounter) -> Arc<Self> {
        let (queue, spans) = mpsc::channel(config.queue);
        tokio::spawn(otlp::send(config.collector, spans, dropped.clone()));
        Arc::new(Self {
            sample: config.sample,
            queue,
            dropped,
        })
    }

    /// The place of an attempt: under whoever started the job, or in a trace of its root chain.
    pub fn place(&self, job: &ClaimedJob, type_name: &TypeName) -> Traced {
        let of = |parent: Option<&str>, root: ChainId| {
            parent.and_then(Context::parse).unwrap_or_else(|| {
                let trace = root.0.as_u128().max(1);
                Context {
                    trace,
                    span: None,
                    sampled: is_sampled(trace, self.sample),
                }
            })
        };
        let origins = job.blockers.iter().filter_map(|it| it.origin.as_ref());
        let links = origins.map(|origin| {
            let context = of(origin.trace_parent.as_deref(), origin.root);
            let span = span_id(origin.job, Part::Attempt, origin.run);
            (context.trace, span)
        });
        Traced {
            context: of(job.trace_parent.as_deref(), job.lineage.root),
            job: job.id,
            chain: job.chain_id,
            type_name: type_name.clone(),
            attempt: job.attempt,
            run: job.run,
            // Runs whose host vanished left nothing.
            is_first: job.run == job.rescues + 1,
            created_at: job.created_at,
            due_at: job.due_at,
            claimed_at: job.claimed_at,
            links: links.collect(),
        }
    }

    /// Waits until all that was made is sent or given up.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Letter::Flush(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Makes the spans of an attempt whose settlement was written. Never waits.
    pub fn settled(&self, traced: &Traced, took: Duration, settlement: &Settlement) {
        if !traced.context.sampled {
            return;
        }
        for span in traced.spans(took, settlement) {
            if self.queue.try_send(Letter::Span(span)).is_err() {
                self.dropped.inc();
            }
        }
    }
}

/// Whether a trace is one of the share that is recorded. Every host decides the same.
fn is_sampled(trace: u128, share: f64) -> bool {
    // Ids of one millisecond have a counter in this half, above what is random of it.
    let place = mix(trace as u64) as f64 / u64::MAX as f64;
    share > 0.0 && place <= share
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn trace_parents_are_read_and_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = Context::parse(text).expect("one");
        assert_eq!(
            (context.span, context.sampled),
            (Some(0xb7ad_6b71_6920_3331), true)
        );
        assert_eq!(
            Context::text(context.trace, 0xb7ad_6b71_6920_3331, true),
            text
        );
        assert!(
            !Context::parse(&text.replace("-01", "-00"))
                .expect("one")
                .sampled
        );
        assert!(Context::parse(&format!("{text}-later").replacen("00", "01", 1)).is_some());
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(Context::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn span_ids_are_the_same_everywhere_and_distinct() {
        let jobs: Vec<JobId> = (0..500).map(|_| JobId(Uuid::now_v7())).collect();
        let mut ids = BTreeSet::new();
        for job in &jobs {
            for part in [Part::Start, Part::Wait, Part::Attempt] {
                for run in 0..5 {
                    assert_eq!(span_id(*job, part, run), span_id(*job, part, run));
                    assert!(ids.insert(span_id(*job, part, run)));
                }
            }
        }
        assert!(!ids.contains(&0));
    }

    #[test]
    fn the_share_that_is_recorded_is_about_what_was_asked_for() {
        for (share, range) in [(0.0, 0..=0), (1.0, 2_000..=2_000), (0.25, 400..=600)] {
            let sampled = (0..2_000).filter(|_| is_sampled(Uuid::now_v7().as_u128(), share));
            assert!(range.contains(&sampled.count()), "{share}");
        }
    }
}
