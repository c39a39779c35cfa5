//! Compiled code, kept on disk, and what makes it safe to run.
//!
//! Whoever can put machine code where the host loads it from is the host. So the folder belongs to the host's user and is
//! open to nobody else, and every entry carries a digest that only a holder of the folder's key can make. An entry is
//! read into memory once, and the bytes that were checked are the bytes that are loaded: nothing that happens to the
//! file in between matters, which a mapped file could not promise. It costs a copy, some 10 ms for the largest.
//!
//! Any number of hosts share a folder: entries appear by renaming, and one that vanishes is compiled anew.

mod folder;

use std::hash::{Hash as _, Hasher};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::engine::Class;
use folder::Folder;

/// What the digest of an entry begins with. Changes with the form of entries.
const FORM: &[u8] = b"hardstop compiled code 1";
/// How long the digest before the code is.
const TAG_BYTES: usize = 32;
/// After so long, what was being written never will be.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(3_600);
/// How names of files that are being written begin.
const TEMPORARY: &str = "tmp-";

/// Why the folder for compiled code cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder for compiled code, {}, {problem}; {remedy}", .path.display())]
pub struct CacheError {
    /// The folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
    /// Whether it is there, but not safe: somebody else may have written into it, or could.
    pub unsafe_folder: bool,
}

/// What an entry is for: a component, an engine, and this version of the host.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EntryId([u8; 32]);

impl EntryId {
    pub(crate) fn of(wasm: &[u8], class: &Class) -> Self {
        let mut digest = Sha256::new();
        digest.update(FORM);
        digest.update(env!("CARGO_PKG_VERSION"));
        digest.update([0, u8::from(class.profile.metered)]);
        digest.update(class.profile.stack_bytes_max.to_le_bytes());
        digest.update(Sha256::digest(wasm));
        // wasmtime's version, and all of its configuration that code depends on.
        let mut feed = Feed(digest);
        class.engine.precompile_compatibility_hash().hash(&mut feed);
        Self(feed.0.finalize().into())
    }

    fn file_name(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Feeds what is hashed to a digest.
struct Feed(Sha256);

impl Hasher for Feed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks: the digest is the result.
        0
    }
}

/// Compiled code on disk.
pub(crate) struct Cache {
    folder: Folder,
    key: [u8; folder::KEY_BYTES],
    bytes_max: u64,
    entry_bytes_max: u64,
}

impl Cache {
    /// Opens a folder, makes it where there is none, and refuses one that others can reach.
    pub(crate) fn open(
        path: &Path,
        bytes_max: u64,
        code_bytes_max: u64,
    ) -> Result<Self, CacheError> {
        let folder = Folder::open(path)?;
        let key = folder.key()?;
        Ok(Self {
            folder,
            key,
            bytes_max,
            entry_bytes_max: code_bytes_max + TAG_BYTES as u64,
        })
    }

    /// The code of an entry, if there is one that this folder's hosts wrote for just this. Anything else that has its
    /// name is removed.
    pub(crate) fn read(&self, id: &EntryId) -> Option<Vec<u8>> {
        let name = id.file_name();
        let file = match self.folder.open_file(&name) {
            Ok(Some(file)) => file,
            Ok(None) => return None,
            Err(problem) => return self.reject(&name, &problem),
        };
        let mut entry = Vec::new();
        let read = (&file)
            .take(self.entry_bytes_max + 1)
            .read_to_end(&mut entry);
        if let Err(error) = read {
            return self.reject(&name, &error.to_string());
        }
        let Some((tag, code)) = entry.split_at_checked(TAG_BYTES) else {
            return self.reject(&name, "it is truncated");
        };
        if entry.len() as u64 > self.entry_bytes_max {
            return self.reject(&name, "it is too large");
        }
        let Some(mac) = self.mac(id, code) else {
            return self.reject(&name, "its digest cannot be made");
        };
        if mac.verify_slice(tag).is_err() {
            return self.reject(&name, "its digest is wrong");
        }
        // The least recently used go first.
        self.folder.touch(&file);
        entry.drain(..TAG_BYTES);
        Some(entry)
    }

    /// Keeps code. A failure is told and costs the next host a compilation.
    pub(crate) fn write(&self, id: &EntryId, code: &[u8]) {
        let Some(mac) = self.mac(id, code) else {
            return;
        };
        let tag = mac.finalize().into_bytes();
        let name = id.file_name();
        if let Err(error) = self.folder.write(&name, &[&tag, code]) {
            warn!(folder = %self.folder.path().display(), %error, "cannot keep compiled code");
        }
        if let Err(error) = self.trim() {
            warn!(folder = %self.folder.path().display(), %error, "cannot remove old compiled code");
        }
    }

    fn mac(&self, id: &EntryId, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(FORM);
        mac.update(&id.0);
        mac.update(code);
        Some(mac)
    }

    fn reject(&self, name: &str, problem: &str) -> Option<Vec<u8>> {
        warn!(
            folder = %self.folder.path().display(), entry = name, problem,
            "compiled code is not used, and compiled anew"
        );
        self.folder.remove(name);
        None
    }

    /// Removes the oldest entries until the rest is within the limit, and what other hosts left half written.
    fn trim(&self) -> std::io::Result<()> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut files = self.folder.list()?;
        files.retain(|file| {
            let left = file.name.starts_with(TEMPORARY)
                && now.saturating_sub(file.modified) > TEMPORARY_AGE_MAX;
            if left {
                self.folder.remove(&file.name);
            }
            !left
        });
        files.sort_by_key(|file| file.modified);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files {
            if total <= self.bytes_max {
                break;
            }
            if file.name != folder::KEY && !file.name.starts_with(TEMPORARY) {
                self.folder.remove(&file.name);
                total -= file.bytes;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
