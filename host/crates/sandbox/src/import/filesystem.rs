//! `wasi:filesystem`, over the sandbox's own tree of files.
//!
//! wasmtime's types for an open file are only names here: a handle's number leads to a [`Handle`].

use std::sync::Arc;

use rustix::io::Errno;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use hardstop_domain::capability::Refusal;

use crate::filesystem::{Cursor, File, Handle, Node, Place, Reader, SCRATCH, Writer, rename};
use crate::state::State;

type Descriptor = Resource<types::Descriptor>;
type Entries = Resource<types::DirectoryEntryStream>;

/// The error as the guest gets it.
fn code(error: Errno) -> FsError {
    match error {
        Errno::ROFS => types::ErrorCode::ReadOnly.into(),
        error => types::ErrorCode::from(std::io::Error::from(error)).into(),
    }
}

fn kind(node: &Node) -> types::DescriptorType {
    match node {
        Node::Dir(_) => types::DescriptorType::Directory,
        Node::File(_) | Node::Baked(_) => types::DescriptorType::RegularFile,
    }
}

/// There are no times: files live for one attempt, and a replay of it is to find the same.
fn stat(node: &Node) -> types::DescriptorStat {
    types::DescriptorStat {
        type_: kind(node),
        link_count: 1,
        size: node.length(),
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
    }
}

fn hash(node: &Node) -> types::MetadataHashValue {
    types::MetadataHashValue {
        lower: node.id(),
        upper: 0,
    }
}

/// Waits for the write that goes on, and says what became of it.
async fn settle(file: &File) -> FsResult<()> {
    file.volume.settle().await;
    match file.volume.take_error() {
        Some(error) => Err(types::ErrorCode::from(error).into()),
        None => Ok(()),
    }
}

async fn set_length(file: &File, length: u64) -> FsResult<()> {
    settle(file).await?;
    let pieces = file.plan_length(length).map_err(code)?;
    if !pieces.is_empty() {
        file.volume.begin(pieces);
    }
    settle(file).await
}

impl State {
    fn push(&mut self, handle: Handle) -> wasmtime::Result<Descriptor> {
        let resource = self.table.push(handle)?;
        Ok(Resource::new_own(resource.rep()))
    }

    fn handle(&self, descriptor: &Descriptor) -> wasmtime::Result<&Handle> {
        let resource = Resource::<Handle>::new_borrow(descriptor.rep());
        Ok(self.table.get(&resource)?)
    }

    fn node(&self, descriptor: &Descriptor) -> FsResult<Arc<Node>> {
        let handle = self.handle(descriptor).map_err(FsError::trap)?;
        Ok(handle.node.clone())
    }

    /// An open file that may be written.
    fn writable(&self, descriptor: &Descriptor) -> FsResult<Arc<Node>> {
        let handle = self.handle(descriptor).map_err(FsError::trap)?;
        handle
            .node
            .file()
            .map_err(|_| types::ErrorCode::BadDescriptor)?;
        match handle.write {
            true => Ok(handle.node.clone()),
            false => Err(types::ErrorCode::BadDescriptor.into()),
        }
    }

    /// An open file that may be read.
    fn readable(&self, descriptor: &Descriptor) -> FsResult<Arc<Node>> {
        let handle = self.handle(descriptor).map_err(FsError::trap)?;
        if let Node::Dir(_) = &*handle.node {
            return Err(types::ErrorCode::IsDirectory.into());
        }
        match handle.read {
            true => Ok(handle.node.clone()),
            false => Err(types::ErrorCode::BadDescriptor.into()),
        }
    }

    /// Where a path leads. Without the grant, a path into the scratch folder is a refused call.
    fn find(&mut self, descriptor: &Descriptor, path: &str) -> FsResult<Place> {
        let node = self.node(descriptor)?;
        let first = path.split('/').find(|part| !matches!(*part, "" | "."));
        let filesystem = self.filesystem();
        let is_root = Arc::ptr_eq(&node, &filesystem.root().node);
        if is_root && first == Some(SCRATCH) && !filesystem.has_scratch() {
            let refusal = Refusal::scratch(self.grant.name());
            self.refuse(refusal);
            return Err(types::ErrorCode::Access.into());
        }
        Place::find(&node, path).map_err(code)
    }
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Descriptor, String)>> {
        let root = self.filesystem().root();
        Ok(vec![(self.push(root)?, "/".to_owned())])
    }
}

impl types::Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<types::ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error
            .downcast_ref::<std::io::Error>()
            .map(types::ErrorCode::from))
    }
}

impl types::HostDescriptor for State {
    async fn advise(
        &mut self,
        fd: Descriptor,
        _offset: u64,
        _length: u64,
        _advice: types::Advice,
    ) -> FsResult<()> {
        match &*self.node(&fd)? {
            Node::Dir(_) => Err(types::ErrorCode::BadDescriptor.into()),
            Node::File(_) | Node::Baked(_) => Ok(()),
        }
    }

    /// Nothing outlives the attempt, so nothing is to be brought to the disk; but what went wrong is told.
    async fn sync_data(&mut self, fd: Descriptor) -> FsResult<()> {
        match &*self.node(&fd)? {
            Node::File(file) => settle(file).await,
            Node::Dir(_) | Node::Baked(_) => Ok(()),
        }
    }

    async fn sync(&mut self, fd: Descriptor) -> FsResult<()> {
        self.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Descriptor) -> FsResult<types::DescriptorFlags> {
        let handle = self.handle(&fd).map_err(FsError::trap)?;
        let write = match &*handle.node {
            Node::Dir(_) => types::DescriptorFlags::MUTATE_DIRECTORY,
            Node::File(_) | Node::Baked(_) => types::DescriptorFlags::WRITE,
        };
        let mut flags = types::DescriptorFlags::empty();
        if handle.read {
            flags |= types::DescriptorFlags::READ;
        }
        if handle.write {
            flags |= write;
        }
        Ok(flags)
    }

    async fn get_type(&mut self, fd: Descriptor) -> FsResult<types::DescriptorType> {
        Ok(kind(&*self.node(&fd)?))
    }

    async fn set_size(&mut self, fd: Descriptor, size: u64) -> FsResult<()> {
        let node = self.writable(&fd)?;
        set_length(node.file().map_err(code)?, size).await
    }

    async fn set_times(
        &mut self,
        _fd: Descriptor,
        _accessed: types::NewTimestamp,
        _modified: types::NewTimestamp,
    ) -> FsResult<()> {
        Err(types::ErrorCode::Unsupported.into())
    }

    async fn read(
        &mut self,
        fd: Descriptor,
        length: u64,
        offset: u64,
    ) -> FsResult<(Vec<u8>, bool)> {
        let node = self.readable(&fd)?;
        let file = match &*node {
            Node::Baked(file) => {
                let bytes = file.read(offset, length);
                let is_end = bytes.is_empty() && length > 0;
                return Ok((bytes.into(), is_end));
            }
            node => node.file().map_err(code)?,
        };
        settle(file).await?;
        let read = file.begin_read(offset, length).await;
        let bytes = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let bytes = bytes.map_err(types::ErrorCode::from)?;
        let is_end = bytes.is_empty() && length > 0;
        Ok((bytes, is_end))
    }

    async fn write(&mut self, fd: Descriptor, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        let node = self.writable(&fd)?;
        let file = node.file().map_err(code)?;
        settle(file).await?;
        let (pieces, done) = file.plan_write(offset, &bytes).map_err(code)?;
        file.volume.begin(pieces);
        settle(file).await?;
        Ok(done as u64)
    }

    async fn read_directory(&mut self, fd: Descriptor) -> FsResult<Entries> {
        let node = self.node(&fd)?;
        node.dir().map_err(code)?;
        let resource = self.table.push(Cursor::new(node)).map_err(FsError::trap)?;
        Ok(Resource::new_own(resource.rep()))
    }

    async fn create_directory_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let place = self.find(&fd, &path)?;
        let dir = place.folder.dir().map_err(code)?;
        let Some(name) = place.name else {
            return Err(types::ErrorCode::Exist.into());
        };
        if dir.get(&name).is_some() {
            return Err(types::ErrorCode::Exist.into());
        }
        dir.make(name, true).map_err(code)?;
        Ok(())
    }

    async fn stat(&mut self, fd: Descriptor) -> FsResult<types::DescriptorStat> {
        Ok(stat(&*self.node(&fd)?))
    }

    async fn stat_at(
        &mut self,
        fd: Descriptor,
        _flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        Ok(stat(&*self.find(&fd, &path)?.node().map_err(code)?))
    }

    async fn set_times_at(
        &mut self,
        _fd: Descriptor,
        _flags: types::PathFlags,
        _path: String,
        _accessed: types::NewTimestamp,
        _modified: types::NewTimestamp,
    ) -> FsResult<()> {
        Err(types::ErrorCode::Unsupported.into())
    }

    /// A file has one name: a second would be a way around what is counted.
    async fn link_at(
        &mut self,
        _fd: Descriptor,
        _flags: types::PathFlags,
        _path: String,
        _new_fd: Descriptor,
        _new_path: String,
    ) -> FsResult<()> {
        Err(types::ErrorCode::Unsupported.into())
    }

    async fn open_at(
        &mut self,
        fd: Descriptor,
        _path_flags: types::PathFlags,
        path: String,
        open: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Descriptor> {
        let write = flags.contains(types::DescriptorFlags::WRITE);
        let create = open.contains(types::OpenFlags::CREATE);
        let truncate = open.contains(types::OpenFlags::TRUNCATE);
        let is_folder = open.contains(types::OpenFlags::DIRECTORY);
        let place = self.find(&fd, &path)?;
        let node = match (place.node(), &place.name) {
            (Ok(_), _) if create && open.contains(types::OpenFlags::EXCLUSIVE) => {
                return Err(types::ErrorCode::Exist.into());
            }
            (Ok(node), _) => {
                match &*node {
                    Node::Dir(_) if write || truncate => {
                        return Err(types::ErrorCode::IsDirectory.into());
                    }
                    Node::File(_) | Node::Baked(_) if is_folder => {
                        return Err(types::ErrorCode::NotDirectory.into());
                    }
                    Node::Baked(_) if write || truncate => {
                        return Err(types::ErrorCode::ReadOnly.into());
                    }
                    Node::File(file) if truncate => set_length(file, 0).await?,
                    _ => {}
                }
                node
            }
            (Err(Errno::NOENT), Some(name)) if create && !is_folder && !place.is_folder => {
                let dir = place.folder.dir().map_err(code)?;
                dir.make(name.clone(), false).map_err(code)?
            }
            (Err(error), _) => return Err(code(error)),
        };
        let handle = Handle {
            read: flags.contains(types::DescriptorFlags::READ),
            // C libraries open folders without the flag for it and change what is in them all the same, as they
            // may in POSIX. Which folders can be changed is the tree's to say.
            write: write || matches!(&*node, Node::Dir(_)),
            node,
        };
        self.push(handle).map_err(FsError::trap)
    }

    async fn readlink_at(&mut self, fd: Descriptor, path: String) -> FsResult<String> {
        self.find(&fd, &path)?.node().map_err(code)?;
        // There is something, and it is no link.
        Err(types::ErrorCode::Invalid.into())
    }

    async fn remove_directory_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let place = self.find(&fd, &path)?;
        let dir = place.folder.dir().map_err(code)?;
        let name = place.name.as_ref().ok_or(types::ErrorCode::Busy)?;
        dir.remove(name, true).map_err(code)
    }

    async fn rename_at(
        &mut self,
        fd: Descriptor,
        path: String,
        new_fd: Descriptor,
        new_path: String,
    ) -> FsResult<()> {
        let from = self.find(&fd, &path)?;
        let to = self.find(&new_fd, &new_path)?;
        rename(&from, &to).map_err(code)
    }

    /// Nothing follows links, so there are none.
    async fn symlink_at(
        &mut self,
        _fd: Descriptor,
        _target: String,
        _path: String,
    ) -> FsResult<()> {
        Err(types::ErrorCode::Unsupported.into())
    }

    async fn unlink_file_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let place = self.find(&fd, &path)?;
        let dir = place.folder.dir().map_err(code)?;
        let name = place.name.as_ref().ok_or(types::ErrorCode::IsDirectory)?;
        dir.remove(name, false).map_err(code)
    }

    fn read_via_stream(
        &mut self,
        fd: Descriptor,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let node = self.readable(&fd)?;
        let reader: DynInputStream = Box::new(Reader::new(node, offset));
        Ok(self.table.push(reader)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Descriptor,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let node = self.writable(&fd)?;
        let writer: DynOutputStream = Box::new(Writer::new(node, Some(offset)));
        Ok(self.table.push(writer)?)
    }

    fn append_via_stream(&mut self, fd: Descriptor) -> FsResult<Resource<DynOutputStream>> {
        let node = self.writable(&fd)?;
        let writer: DynOutputStream = Box::new(Writer::new(node, None));
        Ok(self.table.push(writer)?)
    }

    async fn is_same_object(&mut self, a: Descriptor, b: Descriptor) -> wasmtime::Result<bool> {
        Ok(Arc::ptr_eq(&self.handle(&a)?.node, &self.handle(&b)?.node))
    }

    async fn metadata_hash(&mut self, fd: Descriptor) -> FsResult<types::MetadataHashValue> {
        Ok(hash(&*self.node(&fd)?))
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Descriptor,
        _flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        Ok(hash(&*self.find(&fd, &path)?.node().map_err(code)?))
    }

    fn drop(&mut self, fd: Descriptor) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Handle>::new_own(fd.rep()))?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for State {
    async fn read_directory_entry(
        &mut self,
        entries: Entries,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        let cursor = Resource::<Cursor>::new_borrow(entries.rep());
        let cursor = self.table.get_mut(&cursor)?;
        let next = cursor.next().map_err(code)?;
        Ok(next.map(|(name, node)| types::DirectoryEntry {
            type_: kind(&node),
            name,
        }))
    }

    fn drop(&mut self, entries: Entries) -> wasmtime::Result<()> {
        self.table
            .delete(Resource::<Cursor>::new_own(entries.rep()))?;
        Ok(())
    }
}
