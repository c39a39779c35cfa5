//! Where scratch files keep their bytes: blocks of one file without a name.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::ready;

use hardstop_domain::LimitName;
use rustix::io::Errno;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::limiter::Refused;
use crate::lock::lock;

/// What a file grows by, in bytes.
pub(crate) const BLOCK_BYTES: u64 = 4 << 10;

/// What an attempt may keep in its scratch folder, and where the host keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    pub(crate) bytes_max: u64,
    /// Files and folders.
    pub(crate) files_max: u64,
    pub(crate) folder: PathBuf,
}

/// The blocks of one attempt. The file is made when the first block is written, and has no name: nobody else
/// can open it, and it is gone with the last handle to it, or with the host.
pub(crate) struct Volume {
    quota: Quota,
    held: Mutex<Held>,
    file: Mutex<Option<Arc<fs::File>>>,
    /// The write that goes on, if one does. A guest is one thread: whatever it asks for next waits for it.
    pending: Mutex<Option<JoinHandle<io::Result<()>>>>,
    failed: Mutex<Option<io::Error>>,
}

#[derive(Default)]
struct Held {
    free: Vec<u32>,
    /// The first block that was never in use: the file is no longer than this.
    next: u32,
    blocks: u64,
    blocks_peak: u64,
    files: u64,
    files_peak: u64,
    id: u64,
    refused: Option<Refused>,
}

/// A block in use. It is free again with the last reference to it, so not while it is being written.
pub(crate) struct Block {
    volume: Arc<Volume>,
    index: u32,
}

/// A file or folder that exists, or that is still open.
pub(crate) struct Entry {
    volume: Arc<Volume>,
    pub(crate) id: u64,
}

/// Bytes on their way into a block.
pub(crate) struct Piece {
    pub(crate) block: Arc<Block>,
    /// From the beginning of the block.
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Volume {
    pub(crate) fn new(quota: Quota) -> Self {
        Self {
            quota,
            held: Mutex::default(),
            file: Mutex::default(),
            pending: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// The most bytes that were in use at one time, in whole blocks.
    pub(crate) fn bytes_peak(&self) -> u64 {
        lock(&self.held).blocks_peak * BLOCK_BYTES
    }

    /// The most files and folders that there were at one time.
    pub(crate) fn files_peak(&self) -> u64 {
        lock(&self.held).files_peak
    }

    /// What the first refusal was for.
    pub(crate) fn refused(&self) -> Option<Refused> {
        lock(&self.held).refused
    }

    /// One more block, within the quota. What it holds is anybody's guess.
    pub(crate) fn take_block(self: &Arc<Self>) -> Result<Arc<Block>, Errno> {
        let mut held = lock(&self.held);
        let bytes = (held.blocks + 1) * BLOCK_BYTES;
        if bytes > self.quota.bytes_max || (held.free.is_empty() && held.next == u32::MAX) {
            held.refused.get_or_insert(Refused {
                name: LimitName::ScratchBytes,
                limit: self.quota.bytes_max,
                asked: bytes,
            });
            return Err(Errno::NOSPC);
        }
        let index = held.free.pop().unwrap_or_else(|| {
            held.next += 1;
            held.next - 1
        });
        held.blocks += 1;
        held.blocks_peak = held.blocks_peak.max(held.blocks);
        let volume = self.clone();
        Ok(Arc::new(Block { volume, index }))
    }

    /// One more file or folder, within the quota.
    pub(crate) fn take_entry(self: &Arc<Self>) -> Result<Entry, Errno> {
        let mut held = lock(&self.held);
        if held.files >= self.quota.files_max {
            let asked = held.files + 1;
            held.refused.get_or_insert(Refused {
                name: LimitName::ScratchFiles,
                limit: self.quota.files_max,
                asked,
            });
            return Err(Errno::NOSPC);
        }
        held.files += 1;
        held.files_peak = held.files_peak.max(held.files);
        held.id += 1;
        Ok(Entry {
            volume: self.clone(),
            id: held.id,
        })
    }

    /// Begins to write; [`settle`](Self::settle) waits for its end.
    pub(crate) fn begin(self: &Arc<Self>, pieces: Vec<Piece>) {
        let volume = self.clone();
        let task = spawn_blocking(move || {
            let file = volume.file()?;
            pieces.iter().try_for_each(|piece| {
                let at = u64::from(piece.block.index) * BLOCK_BYTES + piece.at;
                file.write_all_at(&piece.bytes, at)
            })
        });
        *lock(&self.pending) = Some(task);
    }

    /// Whether a write goes on.
    pub(crate) fn is_busy(&self) -> bool {
        lock(&self.pending).is_some()
    }

    /// Waits for the write that goes on. May be dropped and called again.
    pub(crate) async fn settle(&self) {
        std::future::poll_fn(|cx| {
            let mut pending = lock(&self.pending);
            let Some(task) = pending.as_mut() else {
                return std::task::Poll::Ready(());
            };
            let done = ready!(Pin::new(task).poll(cx));
            *pending = None;
            if let Err(error) = done.unwrap_or_else(|error| Err(io::Error::other(error))) {
                lock(&self.failed).get_or_insert(error);
            }
            std::task::Poll::Ready(())
        })
        .await;
    }

    /// What went wrong with a write since the last call.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        lock(&self.failed).take()
    }

    /// Reads from blocks, each a part of itself; none is a hole, which reads as zeros.
    pub(crate) fn read(
        self: &Arc<Self>,
        parts: Vec<(Option<Arc<Block>>, u64, usize)>,
    ) -> JoinHandle<io::Result<Vec<u8>>> {
        let volume = self.clone();
        spawn_blocking(move || {
            let mut bytes = Vec::with_capacity(parts.iter().map(|(_, _, length)| length).sum());
            for (block, at, length) in parts {
                let from = bytes.len();
                bytes.resize(from + length, 0);
                if let Some(block) = block {
                    let at = u64::from(block.index) * BLOCK_BYTES + at;
                    volume.file()?.read_exact_at(&mut bytes[from..], at)?;
                }
            }
            Ok(bytes)
        })
    }

    fn file(&self) -> io::Result<Arc<fs::File>> {
        let mut file = lock(&self.file);
        if let Some(file) = &*file {
            return Ok(file.clone());
        }
        // Without a name from the beginning where the folder's file system can do that, and otherwise from
        // before the first byte is written.
        let made = Arc::new(tempfile::tempfile_in(&self.quota.folder)?);
        *file = Some(made.clone());
        Ok(made)
    }

    /// A volume on a file of the test's.
    #[cfg(test)]
    pub(crate) fn on(quota: Quota, file: fs::File) -> Self {
        let volume = Self::new(quota);
        *lock(&volume.file) = Some(Arc::new(file));
        volume
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut held = lock(&self.volume.held);
        held.blocks -= 1;
        held.free.push(self.index);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.volume.held).files -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(bytes_max: u64) -> Quota {
        Quota {
            bytes_max,
            files_max: 2,
            folder: std::env::temp_dir(),
        }
    }

    #[test]
    fn blocks_come_back_and_the_file_never_outgrows_the_quota() {
        let volume = Arc::new(Volume::new(quota(3 * BLOCK_BYTES + 1)));
        for _ in 0..10 {
            let blocks: Vec<_> = (0..3).map(|_| volume.take_block().expect("room")).collect();
            assert!(blocks.iter().all(|block| block.index < 3));
            assert_eq!(volume.take_block().err(), Some(Errno::NOSPC));
        }
        assert_eq!(volume.bytes_peak(), 3 * BLOCK_BYTES);
        let refused = volume.refused().expect("refused");
        assert_eq!(
            (refused.name, refused.limit, refused.asked),
            (
                LimitName::ScratchBytes,
                3 * BLOCK_BYTES + 1,
                4 * BLOCK_BYTES
            )
        );
    }

    #[test]
    fn entries_are_counted_while_they_are_held() {
        let volume = Arc::new(Volume::new(quota(0)));
        let first = volume.take_entry().expect("room");
        let second = volume.take_entry().expect("room");
        assert_ne!(first.id, second.id);
        assert_eq!(volume.take_entry().err(), Some(Errno::NOSPC));
        drop(first);
        assert!(volume.take_entry().is_ok());
        assert_eq!(volume.files_peak(), 2);
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_of_the_write() {
        let full = fs::File::options().read(true).write(true).open("/dev/full");
        let volume = Arc::new(Volume::on(quota(1 << 20), full.expect("a device of Linux")));
        let block = volume.take_block().expect("room");
        let bytes = vec![1; 10];
        volume.begin(vec![Piece {
            block,
            at: 0,
            bytes,
        }]);
        volume.settle().await;
        let error = volume.take_error().expect("no room on the disk");
        assert_eq!(error.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        assert!(volume.take_error().is_none() && !volume.is_busy());
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_an_error_of_the_write() {
        let missing = Quota {
            folder: "/nowhere/at/all".into(),
            ..quota(1 << 20)
        };
        let volume = Arc::new(Volume::new(missing));
        let block = volume.take_block().expect("room");
        volume.begin(vec![Piece {
            block,
            at: 0,
            bytes: vec![1],
        }]);
        volume.settle().await;
        let error = volume.take_error().expect("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
