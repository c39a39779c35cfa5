//! Starting many chains: as many as come, a batch at a time.

use futures::{Stream, StreamExt as _, stream};
use hardstop_store::Started;

use super::UseCases;
use crate::error::{Error, Exit};
use crate::service::{START_BATCH, START_BATCH_BYTES, StartRequest};

/// Starts chains as their requests come: each batch of at most 1,000 is started in one transaction, and then its ids are
/// handed on, in the order of the requests. No more than a batch is held in memory. The first request that cannot be
/// started ends the stream with its error; what came before it has been started, and nothing after it is.
pub fn start_stream<'c>(
    use_cases: &'c dyn UseCases,
    requests: impl Stream<Item = Result<StartRequest, Error>> + 'c,
) -> impl Stream<Item = Result<Started, Error>> + 'c {
    let requests = Box::pin(requests);
    let batches = stream::unfold(Some(requests), async move |requests| {
        let mut requests = requests?;
        let mut batch = Vec::new();
        let (mut bytes, mut failure, mut ended) = (0, None, false);
        while batch.len() < START_BATCH && bytes < START_BATCH_BYTES {
            match requests.next().await {
                None => {
                    ended = true;
                    break;
                }
                Some(Ok(request)) => {
                    bytes += request.input.len();
                    batch.push(request);
                }
                Some(Err(error)) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let (started, refused) = start_most(use_cases, batch).await;
        // What cannot be started came before what could not be read.
        let failure = refused.or(failure);
        let over = ended || failure.is_some();
        let mut answers: Vec<_> = started.into_iter().map(Ok).collect();
        answers.extend(failure.map(Err));
        Some((stream::iter(answers), (!over).then_some(requests)))
    });
    batches.flatten()
}

/// Starts a batch, or all of it that comes before the first that cannot be started, and says why that cannot.
async fn start_most(
    use_cases: &dyn UseCases,
    batch: Vec<StartRequest>,
) -> (Vec<Started>, Option<Error>) {
    let mut started = Vec::with_capacity(batch.len());
    // Parts that are still to be started, the next one last. A part is started whole or not at all: of one that is
    // refused the first half is tried, until what is refused is a single request.
    let mut parts = vec![batch];
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match use_cases.start_chains(part.clone()).await {
            Ok(chains) => started.extend(chains.into_iter().map(|chain| chain.started)),
            Err(error) if part.len() == 1 || error.exit == Exit::Environment => {
                return (started, Some(error));
            }
            Err(_) => {
                let rest = part.split_off(part.len() / 2);
                parts.extend([rest, part]);
            }
        }
    }
    (started, None)
}
