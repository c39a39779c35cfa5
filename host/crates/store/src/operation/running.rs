//! What workers tell while they work, and what is asked of them.

use hardstop_domain::{JobId, LeaseToken, SessionId};

use super::{Mode, Operation};
use crate::StoreError;
use crate::record::Standing;
use crate::row::LiveRow;
use crate::transaction::Transaction;

/// Notes how a worker stands, where that has changed, and says whether it was asked to drain.
pub(crate) struct Stand(pub(crate) SessionId, pub(crate) Option<Standing>);

impl Operation for Stand {
    type Output = bool;

    fn mode(&self) -> Mode {
        match self.1 {
            Some(_) => Mode::LEASE.resend(),
            None => Mode::READ,
        }
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        match &self.1 {
            Some(standing) => tx.stand(self.0, standing).await,
            None => tx.drain_asked(self.0).await,
        }
    }
}

/// Asks a worker to drain. None where its session has ended, or it was asked before.
pub(crate) struct DrainSession(pub(crate) SessionId);

impl Operation for DrainSession {
    type Output = Option<String>;

    fn mode(&self) -> Mode {
        Mode::WRITE
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<String>, StoreError> {
        tx.drain_session(self.0).await
    }
}

/// Keeps what running attempts said, and removes what those said that have ended.
pub(crate) struct PutLive {
    pub(crate) rows: Vec<LiveRow>,
    /// By job.
    pub(crate) ended: Vec<(JobId, LeaseToken)>,
}

impl Operation for PutLive {
    type Output = ();

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.drop_live(&self.ended).await?;
        tx.put_live(&self.rows).await
    }
}

/// Removes what was said by attempts whose worker could not remove it.
pub(crate) struct TrimLive;

impl Operation for TrimLive {
    type Output = ();

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.trim_live().await
    }
}
