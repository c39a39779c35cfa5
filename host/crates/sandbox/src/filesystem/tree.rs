//! Folders and files, and the way from a path to one of them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::volume::{BLOCK_BYTES, Block, Entry, Piece, Volume};
use crate::lock::lock;

/// The longest path, and the longest name in one, in bytes.
const PATH_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 255;
/// How much one call reads or writes, in bytes.
pub(crate) const IO_BYTES_MAX: usize = 64 << 10;
/// The largest length of a file, in bytes. It need not have so many: what was never written takes no block.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// A folder or a file.
pub(crate) enum Node {
    Dir(Dir),
    File(File),
    Baked(Baked),
}

/// A folder.
pub(crate) struct Dir {
    entries: Mutex<BTreeMap<String, Arc<Node>>>,
    /// Where the files in it keep their bytes. None: nothing can be made or changed here.
    volume: Option<Arc<Volume>>,
    /// None: it was there from the beginning, and is not counted.
    entry: Option<Entry>,
    /// Of a folder of the deployment: its number among what the deployment carries.
    baked: Option<u64>,
}

/// A file that the deployment carries. Nobody can change it, so all attempts see the same bytes.
pub(crate) struct Baked {
    bytes: Bytes,
    id: u64,
}

/// A file of the scratch folder.
pub(crate) struct File {
    contents: Mutex<Contents>,
    entry: Entry,
    pub(crate) volume: Arc<Volume>,
}

#[derive(Default)]
struct Contents {
    length: u64,
    /// By number from the beginning of the file. What is missing reads as zeros.
    blocks: BTreeMap<u64, Arc<Block>>,
}

/// An open folder or file, and what may be done through it.
pub(crate) struct Handle {
    pub(crate) node: Arc<Node>,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// Where a path leads: a name in a folder, or the folder itself.
pub(crate) struct Place {
    pub(crate) folder: Arc<Node>,
    pub(crate) name: Option<String>,
    /// The path ended with a slash.
    pub(crate) is_folder: bool,
}

/// A place in the list of a folder's entries. It keeps no copy of the list.
pub(crate) struct Cursor {
    node: Arc<Node>,
    after: Option<String>,
}

impl Node {
    /// The same for as long as it exists, and for no other in the attempt.
    pub(crate) fn id(&self) -> u64 {
        /// What the deployment carries is numbered from here on.
        const BAKED: u64 = 1 << 63;
        match self {
            Self::File(file) => file.entry.id,
            Self::Baked(file) => BAKED + file.id,
            Self::Dir(dir) => match (&dir.entry, dir.baked, &dir.volume) {
                (Some(entry), _, _) => entry.id,
                (None, Some(id), _) => BAKED + id,
                // The root, and the scratch folder in it.
                (None, None, None) => u64::MAX,
                (None, None, Some(_)) => u64::MAX - 1,
            },
        }
    }

    pub(crate) fn dir(&self) -> Result<&Dir, Errno> {
        match self {
            Self::Dir(dir) => Ok(dir),
            Self::File(_) | Self::Baked(_) => Err(Errno::NOTDIR),
        }
    }

    /// A file that can be changed.
    pub(crate) fn file(&self) -> Result<&File, Errno> {
        match self {
            Self::File(file) => Ok(file),
            Self::Dir(_) => Err(Errno::ISDIR),
            Self::Baked(_) => Err(Errno::ROFS),
        }
    }

    /// Bytes in a file, as far as its end.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Dir(_) => 0,
            Self::File(file) => lock(&file.contents).length,
            Self::Baked(file) => file.bytes.len() as u64,
        }
    }
}

impl Baked {
    pub(crate) fn new(bytes: Bytes, id: u64) -> Self {
        Self { bytes, id }
    }

    /// The bytes from some place on: no more than one call reads, and nothing at the end.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Bytes {
        let start = self
            .bytes
            .len()
            .min(usize::try_from(offset).unwrap_or(usize::MAX));
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(IO_BYTES_MAX);
        let end = start.saturating_add(length).min(self.bytes.len());
        self.bytes.slice(start..end)
    }
}

impl Dir {
    pub(crate) fn read_only(entries: impl IntoIterator<Item = (String, Arc<Node>)>) -> Self {
        Self {
            entries: Mutex::new(entries.into_iter().collect()),
            volume: None,
            entry: None,
            baked: None,
        }
    }

    /// A folder of the deployment.
    pub(crate) fn baked(entries: impl IntoIterator<Item = (String, Arc<Node>)>, id: u64) -> Self {
        Self {
            entries: Mutex::new(entries.into_iter().collect()),
            volume: None,
            entry: None,
            baked: Some(id),
        }
    }

    /// What is in it.
    pub(crate) fn entries(&self) -> Vec<(String, Arc<Node>)> {
        let entries = lock(&self.entries);
        let entries = entries.iter();
        entries
            .map(|(name, node)| (name.clone(), node.clone()))
            .collect()
    }

    pub(crate) fn scratch(volume: Arc<Volume>) -> Self {
        Self {
            entries: Mutex::default(),
            volume: Some(volume),
            entry: None,
            baked: None,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Node>> {
        lock(&self.entries).get(name).cloned()
    }

    /// Where files made here keep their bytes; an error where none can be made.
    fn volume(&self) -> Result<&Arc<Volume>, Errno> {
        self.volume.as_ref().ok_or(Errno::ROFS)
    }

    /// Makes an empty file or folder, of a name that is not there yet.
    pub(crate) fn make(&self, name: String, is_folder: bool) -> Result<Arc<Node>, Errno> {
        let volume = self.volume()?;
        let entry = volume.take_entry()?;
        let node = Arc::new(match is_folder {
            true => Node::Dir(Self {
                entries: Mutex::default(),
                volume: Some(volume.clone()),
                entry: Some(entry),
                baked: None,
            }),
            false => Node::File(File {
                contents: Mutex::default(),
                entry,
                volume: volume.clone(),
            }),
        });
        lock(&self.entries).insert(name, node.clone());
        Ok(node)
    }

    /// Takes a file, or an empty folder, out of the tree. What is open stays until it is closed.
    pub(crate) fn remove(&self, name: &str, is_folder: bool) -> Result<(), Errno> {
        self.volume()?;
        match (&*self.get(name).ok_or(Errno::NOENT)?, is_folder) {
            (Node::Dir(_), false) => return Err(Errno::ISDIR),
            (Node::File(_) | Node::Baked(_), true) => return Err(Errno::NOTDIR),
            (Node::Dir(dir), true) if !lock(&dir.entries).is_empty() => {
                return Err(Errno::NOTEMPTY);
            }
            _ => {}
        }
        lock(&self.entries).remove(name);
        Ok(())
    }

    /// Whether a folder is this one or somewhere below it.
    fn holds(&self, folder: &Dir) -> bool {
        if std::ptr::eq(self, folder) {
            return true;
        }
        // No recursion: a guest may nest folders deeper than the host's stack.
        let mut left: Vec<Arc<Node>> = lock(&self.entries).values().cloned().collect();
        while let Some(node) = left.pop() {
            if let Node::Dir(dir) = &*node {
                if std::ptr::eq(dir, folder) {
                    return true;
                }
                left.extend(lock(&dir.entries).values().cloned());
            }
        }
        false
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // No recursion here either.
        let take = |dir: &Dir| std::mem::take(&mut *lock(&dir.entries)).into_values();
        let mut left: Vec<Arc<Node>> = take(self).collect();
        while let Some(node) = left.pop() {
            if let Some(Node::Dir(dir)) = Arc::into_inner(node) {
                left.extend(take(&dir));
            }
        }
    }
}

/// Moves what is at a place to another, in place of what is there.
pub(crate) fn rename(from: &Place, to: &Place) -> Result<(), Errno> {
    let (from_dir, to_dir) = (from.folder.dir()?, to.folder.dir()?);
    let (Some(from_name), Some(to_name)) = (&from.name, &to.name) else {
        return Err(Errno::BUSY);
    };
    from_dir.volume()?;
    to_dir.volume()?;
    let node = from_dir.get(from_name).ok_or(Errno::NOENT)?;
    if let Some(there) = to_dir.get(to_name) {
        if Arc::ptr_eq(&node, &there) {
            return Ok(());
        }
        match (&*node, &*there) {
            (Node::File(_), Node::Dir(_)) => return Err(Errno::ISDIR),
            (Node::Dir(_), Node::File(_)) => return Err(Errno::NOTDIR),
            (Node::Dir(_), Node::Dir(there)) if !lock(&there.entries).is_empty() => {
                return Err(Errno::NOTEMPTY);
            }
            _ => {}
        }
    }
    match &*node {
        Node::Dir(dir) if dir.holds(to_dir) => return Err(Errno::INVAL),
        Node::File(_) if from.is_folder || to.is_folder => return Err(Errno::NOTDIR),
        _ => {}
    }
    lock(&from_dir.entries).remove(from_name);
    lock(&to_dir.entries).insert(to_name.clone(), node);
    Ok(())
}

impl File {
    /// Plans a write, and takes the blocks for it: what is to be written, and how many of the bytes that is. All
    /// of them, unless the quota leaves room for some only.
    pub(crate) fn plan_write(
        &self,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(Vec<Piece>, usize), Errno> {
        let bytes = &bytes[..bytes.len().min(IO_BYTES_MAX)];
        if offset.saturating_add(bytes.len() as u64) > LENGTH_MAX {
            return Err(Errno::FBIG);
        }
        let mut contents = lock(&self.contents);
        let (mut pieces, mut done) = (Vec::new(), 0);
        while done < bytes.len() {
            let position = offset + done as u64;
            let (number, at) = (position / BLOCK_BYTES, position % BLOCK_BYTES);
            let length = (bytes.len() - done).min((BLOCK_BYTES - at) as usize);
            let part = &bytes[done..done + length];
            let piece = match contents.blocks.get(&number) {
                Some(block) => Piece {
                    block: block.clone(),
                    at,
                    bytes: part.to_vec(),
                },
                None => {
                    let block = match self.volume.take_block() {
                        Ok(block) => block,
                        Err(_) if done > 0 => break,
                        Err(error) => return Err(error),
                    };
                    contents.blocks.insert(number, block.clone());
                    // Whatever the block held before is not this file's.
                    let mut bytes = vec![0; BLOCK_BYTES as usize];
                    bytes[at as usize..at as usize + length].copy_from_slice(part);
                    Piece {
                        block,
                        at: 0,
                        bytes,
                    }
                }
            };
            pieces.push(piece);
            done += length;
        }
        contents.length = contents.length.max(offset + done as u64);
        Ok((pieces, done))
    }

    /// Plans a change of the length: what is cut off is given back, and what is added reads as zeros.
    pub(crate) fn plan_length(&self, length: u64) -> Result<Vec<Piece>, Errno> {
        if length > LENGTH_MAX {
            return Err(Errno::FBIG);
        }
        let mut contents = lock(&self.contents);
        let is_cut = length < contents.length;
        contents.length = length;
        contents.blocks.split_off(&length.div_ceil(BLOCK_BYTES));
        let (number, at) = (length / BLOCK_BYTES, length % BLOCK_BYTES);
        let tail = match contents.blocks.get(&number) {
            // It must not come back if the file grows again.
            Some(block) if is_cut && at > 0 => Some(Piece {
                block: block.clone(),
                at,
                bytes: vec![0; (BLOCK_BYTES - at) as usize],
            }),
            _ => None,
        };
        Ok(tail.into_iter().collect())
    }

    /// Begins to read; at the end of the file there is nothing.
    pub(crate) fn begin_read(
        &self,
        offset: u64,
        length: u64,
    ) -> JoinHandle<std::io::Result<Vec<u8>>> {
        let contents = lock(&self.contents);
        let end = offset
            .saturating_add(length.min(IO_BYTES_MAX as u64))
            .min(contents.length);
        let (mut parts, mut position) = (Vec::new(), offset);
        while position < end {
            let (number, at) = (position / BLOCK_BYTES, position % BLOCK_BYTES);
            let length = (BLOCK_BYTES - at).min(end - position);
            parts.push((contents.blocks.get(&number).cloned(), at, length as usize));
            position += length;
        }
        self.volume.read(parts)
    }

    /// Bytes to the end.
    pub(crate) fn length(&self) -> u64 {
        lock(&self.contents).length
    }
}

impl Place {
    /// Follows a path from a folder. It may not leave that folder, not even to come back.
    pub(crate) fn find(from: &Arc<Node>, path: &str) -> Result<Self, Errno> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        if path.contains('\0') {
            return Err(Errno::INVAL);
        }
        if path.starts_with('/') {
            return Err(Errno::PERM);
        }
        from.dir()?;
        let mut way = vec![from.clone()];
        let mut name: Option<&str> = None;
        for part in path.split('/') {
            if part.len() > NAME_BYTES_MAX {
                return Err(Errno::NAMETOOLONG);
            }
            if part.is_empty() || part == "." {
                continue;
            }
            // What came before must be a folder.
            if let Some(name) = name.take() {
                let here = way.last().ok_or(Errno::PERM)?;
                let next = here.dir()?.get(name).ok_or(Errno::NOENT)?;
                next.dir()?;
                way.push(next);
            }
            match part {
                ".." => {
                    way.pop();
                    if way.is_empty() {
                        return Err(Errno::PERM);
                    }
                }
                part => name = Some(part),
            }
        }
        Ok(Self {
            folder: way.pop().ok_or(Errno::PERM)?,
            name: name.map(str::to_owned),
            is_folder: path.ends_with('/') || path.ends_with("/."),
        })
    }

    /// What is there.
    pub(crate) fn node(&self) -> Result<Arc<Node>, Errno> {
        let node = match &self.name {
            None => self.folder.clone(),
            Some(name) => self.folder.dir()?.get(name).ok_or(Errno::NOENT)?,
        };
        if self.is_folder {
            node.dir()?;
        }
        Ok(node)
    }
}

impl Cursor {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, after: None }
    }

    /// The next entry by name.
    pub(crate) fn next(&mut self) -> Result<Option<(String, Arc<Node>)>, Errno> {
        let from = match self.after.take() {
            Some(name) => Bound::Excluded(name),
            None => Bound::Unbounded,
        };
        let entries = lock(&self.node.dir()?.entries);
        let next = entries
            .range((from, Bound::Unbounded))
            .next()
            .map(|(name, node)| (name.clone(), node.clone()));
        self.after = match &next {
            Some((name, _)) => Some(name.clone()),
            None => entries.keys().next_back().cloned(),
        };
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::{FileTree, Filesystem, Quota};

    fn filesystem() -> Filesystem {
        Filesystem::new(
            &FileTree::default(),
            Some(Quota {
                bytes_max: 4 * BLOCK_BYTES,
                files_max: 10_000,
                folder: std::env::temp_dir(),
            }),
        )
    }

    fn scratch(filesystem: &Filesystem) -> Arc<Node> {
        Place::find(&filesystem.root().node, "scratch/")
            .and_then(|place| place.node())
            .expect("granted")
    }

    fn error(from: &Arc<Node>, path: &str) -> Errno {
        match Place::find(from, path) {
            Ok(place) => place.node().err().expect(path),
            Err(error) => error,
        }
    }

    #[test]
    fn no_path_leads_out() {
        let filesystem = filesystem();
        let root = filesystem.root().node;
        let scratch = scratch(&filesystem);
        let folder = scratch.dir().expect("a folder").make("a".into(), true);
        folder.expect("room");
        for path in [
            "..",
            "../scratch",
            "a/../..",
            "a/../../scratch/a",
            "/etc/passwd",
            "/",
            "./../a",
        ] {
            assert_eq!(error(&scratch, path), Errno::PERM, "{path}");
        }
        for (path, expected) in [
            ("", Errno::NOENT),
            ("etc/passwd", Errno::NOENT),
            ("scratch/../../etc", Errno::PERM),
            ("a\0b", Errno::INVAL),
            (&"n".repeat(256), Errno::NAMETOOLONG),
            (&"n/".repeat(2049), Errno::NAMETOOLONG),
        ] {
            assert_eq!(error(&root, path), expected, "{path}");
        }
        for path in [
            "scratch/a",
            "scratch//a/",
            "./scratch/a/../a",
            "scratch/a/.",
        ] {
            let place = Place::find(&root, path).expect(path);
            assert!(place.node().is_ok(), "{path}");
        }
    }

    #[test]
    fn folders_of_any_depth_cost_no_stack() {
        let filesystem = filesystem();
        let mut here = scratch(&filesystem);
        for _ in 0..9_999 {
            here = here
                .dir()
                .expect("a folder")
                .make("d".into(), true)
                .expect("room");
        }
        let top = scratch(&filesystem);
        let from = Place::find(&top, "d").expect("there");
        let to = Place {
            folder: here.clone(),
            name: Some("loop".into()),
            is_folder: false,
        };
        assert_eq!(rename(&from, &to), Err(Errno::INVAL), "into itself");
        drop((from, to, top, here));
        drop(filesystem);
    }

    #[test]
    fn a_sparse_file_takes_the_blocks_that_were_written() {
        let filesystem = filesystem();
        let node = scratch(&filesystem)
            .dir()
            .expect("a folder")
            .make("f".into(), false);
        let node = node.expect("room");
        let file = node.file().expect("a file");
        let peak = || filesystem.volume().expect("granted").bytes_peak();
        assert!(file.plan_length(1 << 50).expect("no bytes").is_empty());
        assert_eq!((file.length(), peak()), (1 << 50, 0));
        let (pieces, done) = file.plan_write(1 << 40, b"x").expect("room");
        assert_eq!((pieces.len(), done, peak()), (1, 1, BLOCK_BYTES));
        drop(pieces);
        // Across five blocks, of which three are left.
        let (_, done) = file
            .plan_write(1, &[1; 5 * BLOCK_BYTES as usize])
            .expect("some");
        assert_eq!(done as u64, 3 * BLOCK_BYTES - 1);
        assert_eq!(file.plan_write(1 << 30, b"x").err(), Some(Errno::NOSPC));
        // What is cut off can be used again; the block that is cut in two is cleared behind the cut.
        let tail = file.plan_length(10).expect("shorter");
        assert_eq!((tail[0].at, tail[0].bytes.len()), (10, 4086));
        assert_eq!(
            file.plan_write(BLOCK_BYTES, &[1; 12_288]).expect("room").1,
            12_288
        );
        assert_eq!(peak(), 4 * BLOCK_BYTES);
        for (offset, length) in [(u64::MAX, 1), (LENGTH_MAX, 1)] {
            let bytes = vec![0; length];
            assert_eq!(file.plan_write(offset, &bytes).err(), Some(Errno::FBIG));
        }
        assert_eq!(file.plan_length(u64::MAX).err(), Some(Errno::FBIG));
    }

    #[test]
    fn a_file_that_is_open_counts_until_it_is_closed() {
        let filesystem = filesystem();
        let top = scratch(&filesystem);
        let dir = top.dir().expect("a folder");
        let open = dir.make("f".into(), false).expect("room");
        open.file()
            .expect("a file")
            .plan_write(0, &[1; 16_384])
            .expect("room");
        dir.remove("f", false).expect("there");
        let other = dir.make("g".into(), false).expect("room");
        let write = || {
            other
                .file()
                .expect("a file")
                .plan_write(0, b"x")
                .map(|(_, done)| done)
        };
        assert_eq!(write(), Err(Errno::NOSPC));
        drop(open);
        assert_eq!(write(), Ok(1));
    }

    #[test]
    fn a_list_goes_on_after_what_has_gone() {
        let filesystem = filesystem();
        let top = scratch(&filesystem);
        let dir = top.dir().expect("a folder");
        for name in ["a", "b", "c"] {
            dir.make(name.into(), false).expect("room");
        }
        let mut cursor = Cursor::new(top.clone());
        let mut next = || cursor.next().expect("a folder").map(|(name, _)| name);
        assert_eq!(next().as_deref(), Some("a"));
        dir.remove("a", false).expect("there");
        dir.remove("b", false).expect("there");
        assert_eq!(next().as_deref(), Some("c"));
        assert_eq!((next(), next()), (None, None));
    }
}
