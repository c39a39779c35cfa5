//! Starting many chains: as many as come, a batch at a time.

use futures::{Stream, StreamExt as _, stream};
use hardstop_store::Started;

use super::start::START_BATCH;
use super::{Service, StartRequest};
use crate::error::Error;

/// The most bytes of input in one batch, unless one start alone has more.
const BATCH_BYTES: usize = 8 << 20;

impl Service {
    /// Starts chains as their requests come: each batch of at most 1,000 is checked, then written in one
    /// transaction, and then its ids are handed on, in the order of the requests. No more than a batch is held in
    /// memory. The first request that cannot be started ends the stream with its error; what came before it has
    /// been started, and nothing after it is.
    pub fn start_stream(
        &self,
        requests: impl Stream<Item = Result<StartRequest, Error>>,
    ) -> impl Stream<Item = Result<Started, Error>> {
        let requests = Box::pin(requests);
        let batches = stream::unfold(Some(requests), async move |requests| {
            let mut requests = requests?;
            let mut batch = Vec::new();
            let (mut bytes, mut failure, mut ended) = (0, None, false);
            while batch.len() < START_BATCH && bytes < BATCH_BYTES {
                let checked = match requests.next().await {
                    None => {
                        ended = true;
                        break;
                    }
                    Some(Ok(request)) => {
                        bytes += request.input.len();
                        self.new_chain(request).await
                    }
                    Some(Err(error)) => Err(error),
                };
                match checked {
                    Ok(chain) => batch.push(chain),
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            let mut answers = Vec::with_capacity(batch.len() + 1);
            if !batch.is_empty() {
                match self.store.enqueue(&batch).await {
                    Ok(started) => answers.extend(started.into_iter().map(Ok)),
                    Err(error) => {
                        failure = Some(error.into());
                    }
                }
            }
            let over = ended || failure.is_some();
            answers.extend(failure.map(Err));
            Some((stream::iter(answers), (!over).then_some(requests)))
        });
        batches.flatten()
    }
}
