//! The files that a guest sees: a tree of the sandbox's own, and no folder of the host's.
//!
//! Names lead nowhere else, because there is nothing else: the tree lives in memory, and the bytes of its
//! files in blocks of one file that has no name ([`Volume`]). So no path, link or race can reach a file of the
//! host, the quota is what that file can grow to, and the kernel takes it back whichever way the host ends.

mod stream;
mod tree;
mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use tree::{Baked, Dir};

pub(crate) use stream::{Reader, Writer};
pub(crate) use tree::{Cursor, File, Handle, Node, Place, rename};
pub(crate) use volume::{Quota, Volume};

/// The folder that is writable, in the root.
pub(crate) const SCRATCH: &str = "scratch";

/// Read-only files, by the absolute path that the guest opens. Cheap to clone.
#[derive(Clone, Default)]
pub struct FileTree(Option<Arc<Node>>);

impl FileTree {
    /// A tree of these files, whose paths are as [`hardstop_domain::file::check`] has them.
    pub fn new(files: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        #[derive(Default)]
        struct Folder {
            files: BTreeMap<String, Bytes>,
            folders: BTreeMap<String, Folder>,
        }
        fn node(folder: Folder, next: &mut u64) -> Arc<Node> {
            let folders = folder.folders.into_iter();
            let mut entries: Vec<_> = folders
                .map(|(name, folder)| (name, node(folder, next)))
                .collect();
            entries.extend(folder.files.into_iter().map(|(name, bytes)| {
                *next += 1;
                (name, Arc::new(Node::Baked(Baked::new(bytes, *next))))
            }));
            *next += 1;
            Arc::new(Node::Dir(Dir::baked(entries, *next)))
        }
        let mut root = Folder::default();
        for (path, bytes) in files {
            let mut here = &mut root;
            let mut names = path.trim_start_matches('/').split('/').peekable();
            while let Some(name) = names.next() {
                if names.peek().is_none() {
                    here.files.insert(name.to_owned(), bytes);
                    break;
                }
                here = here.folders.entry(name.to_owned()).or_default();
            }
        }
        if root.files.is_empty() && root.folders.is_empty() {
            return Self::default();
        }
        Self(Some(node(root, &mut 0)))
    }
}

/// What one attempt sees.
pub(crate) struct Filesystem {
    root: Arc<Node>,
    volume: Option<Arc<Volume>>,
}

impl Filesystem {
    /// A root that is read-only, with these files, and a scratch folder where there is a quota for one.
    pub(crate) fn new(files: &FileTree, quota: Option<Quota>) -> Self {
        let volume = quota.map(|quota| Arc::new(Volume::new(quota)));
        let scratch = volume.as_ref().map(|volume| {
            let scratch = Dir::scratch(volume.clone());
            (SCRATCH.to_owned(), Arc::new(Node::Dir(scratch)))
        });
        let root = match (&files.0, scratch) {
            (Some(root), None) => root.clone(),
            (files, scratch) => {
                let files = files.iter().filter_map(|root| root.dir().ok());
                let files = files.flat_map(Dir::entries);
                Arc::new(Node::Dir(Dir::read_only(files.chain(scratch))))
            }
        };
        Self { root, volume }
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
