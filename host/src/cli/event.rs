//! `hardstop events`: what is committed, as it is.

use std::pin::pin;
use std::process::ExitCode;

use hardstop_domain::EventMark;
use tokio::sync::mpsc;

use super::args::EventsArgs;
use super::worker::Signals;
use super::{Context, output};
use crate::error::Error;
use crate::service::{EventsRequest, News, ToldEvent};

/// How many events may wait to be printed.
const PRINTED_BEHIND_MAX: usize = 256;

pub async fn execute(context: &Context, args: EventsArgs) -> Result<ExitCode, Error> {
    let mut printer = Printer {
        is_human: context.output.is_human(),
        heard: args.since,
    };
    let request = EventsRequest {
        kinds: args.kinds,
        types: args.types,
        since: args.since,
    };
    let mut signals = Signals::new()?;
    let service = context.service(false);
    let (hearer, mut told) = mpsc::channel(PRINTED_BEHIND_MAX);
    let ended = {
        let mut heard = pin!(service.hear_events(request, &hearer));
        loop {
            tokio::select! {
                biased;
                _ = signals.next() => break Ok(()),
                Some(news) = told.recv() => printer.print(news),
                ended = &mut heard => break ended,
            }
        }
    };
    // Nobody hears any more: a look that was under way has given its connection back, for which closing waits.
    while let Ok(news) = told.try_recv() {
        printer.print(news);
    }
    printer.end();
    ended?;
    // Nothing is left to be sent, so a second signal need not wait for a database that does not answer.
    tokio::select! {
        () = service.close() => {}
        _ = signals.next() => {}
    }
    Ok(ExitCode::SUCCESS)
}

struct Printer {
    is_human: bool,
    /// The last event that was printed, or behind which it begins.
    heard: Option<EventMark>,
}

impl Printer {
    fn print(&mut self, news: News) {
        match news {
            News::Begun(mark) => {
                if self.is_human && self.heard.is_none() {
                    eprintln!("waiting for events; Ctrl-C ends it");
                }
                self.heard = Some(mark);
            }
            News::Event(event) => {
                match self.is_human {
                    true => output::print(&line(&event)),
                    false => output::print_line(&event),
                }
                self.heard = Some(event.id);
            }
            News::Lost(reason) => {
                eprintln!("events were lost: {reason}; what comes from now on is printed")
            }
        }
    }

    /// Says how to go on, where there is something to go on from.
    fn end(&self) {
        if let (true, Some(mark)) = (self.is_human, self.heard) {
            eprintln!("hint: within ten minutes, --since {mark} goes on from here");
        }
    }
}

/// When, what, of which type and job, and how it ended or what was seen.
fn line(event: &ToldEvent) -> String {
    let message = &event.message;
    let data = &message.data;
    let job = data.job_id.map_or("-".to_owned(), |id| id.to_string());
    let end = match (data.outcome, &data.detail) {
        (Some(outcome), _) => outcome.to_string(),
        (None, Some(detail)) => detail.to_string(),
        (None, None) => "-".to_owned(),
    };
    let (at, kind) = (message.timestamp, message.kind);
    format!("{at}  {kind:<13}  {}  {job}  {end}", data.job_type)
}
