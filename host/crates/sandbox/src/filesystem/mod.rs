//! The files that a guest sees: a tree of the sandbox's own, and no folder of the host's.
//!
//! Names lead nowhere else, because there is nothing else: the tree lives in memory, and the bytes of its
//! files in blocks of one file that has no name ([`Volume`]). So no path, link or race can reach a file of the
//! host, the quota is what that file can grow to, and the kernel takes it back whichever way the host ends.

mod stream;
mod tree;
mod volume;

use std::sync::Arc;

use tree::Dir;

pub(crate) use stream::{Reader, Writer};
pub(crate) use tree::{Cursor, File, Handle, Node, Place, rename};
pub(crate) use volume::{Quota, Volume};

/// The folder that is writable, in the root.
pub(crate) const SCRATCH: &str = "scratch";

/// What one attempt sees.
pub(crate) struct Filesystem {
    root: Arc<Node>,
    volume: Option<Arc<Volume>>,
}

impl Filesystem {
    /// A root that is read-only, with a scratch folder where there is a quota for one.
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        let volume = quota.map(|quota| Arc::new(Volume::new(quota)));
        let scratch = volume.as_ref().map(|volume| {
            let scratch = Dir::scratch(volume.clone());
            (SCRATCH.to_owned(), Arc::new(Node::Dir(scratch)))
        });
        Self {
            root: Arc::new(Node::Dir(Dir::read_only(scratch))),
            volume,
        }
    }

    /// A handle to the root.
    pub(crate) fn root(&self) -> Handle {
        Handle {
            node: self.root.clone(),
            read: true,
            write: true,
        }
    }

    /// Whether there is a scratch folder.
    pub(crate) fn has_scratch(&self) -> bool {
        self.volume.is_some()
    }

    /// Where the bytes of scratch files are.
    pub(crate) fn volume(&self) -> Option<&Volume> {
        self.volume.as_deref()
    }
}
