//! The folder itself: held open, so that nobody can put another in its place.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, fstat,
    futimens, linkat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::{CacheError, TEMPORARY};

/// The file that holds the key of all digests.
pub(super) const KEY: &str = "key";
pub(super) const KEY_BYTES: usize = 32;

const OTHER: &str =
    "name another with `cache` in the table [compile] of hardstop.toml, or write cache = \"none\"";
const CLOSE: &str = "remove it, or look at what it holds and then `chmod 700` it";

/// A folder that only the host's user can reach.
pub(super) struct Folder {
    path: PathBuf,
    fd: OwnedFd,
}

/// A file in it.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// Since 1970.
    pub(super) modified: Duration,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, CacheError> {
        let error = |problem: String, remedy, unsafe_folder| CacheError {
            path: path.to_owned(),
            problem,
            remedy,
            unsafe_folder,
        };
        let cannot =
            |what: &str, source: io::Error| error(format!("{what}: {source}"), OTHER, false);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|source| cannot("cannot be made", source))?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(cannot("cannot be made", source));
            }
            _ => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(error("is a link or a file".to_owned(), OTHER, true));
            }
            Err(errno) => return Err(cannot("cannot be opened", errno.into())),
        };
        let stat = fstat(&fd).map_err(|errno| cannot("cannot be looked at", errno.into()))?;
        if let Some(problem) = reachable(&stat) {
            return Err(error(problem, CLOSE, true));
        }
        Ok(Self {
            path: path.to_owned(),
            fd,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key: as it is there, or a new one. Of several hosts that make one at once, one wins.
    pub(super) fn key(&self) -> Result<[u8; KEY_BYTES], CacheError> {
        let error = |problem: String, unsafe_folder| CacheError {
            path: self.path.clone(),
            problem,
            remedy: "remove its file `key`: all code is compiled anew then",
            unsafe_folder,
        };
        for _ in 0..2 {
            match self.open_file(KEY) {
                Ok(None) => {}
                Ok(Some(file)) => {
                    let mut key = Vec::new();
                    let read = (&file).take(KEY_BYTES as u64 + 1).read_to_end(&mut key);
                    read.map_err(|source| error(format!("has no readable key: {source}"), false))?;
                    let bytes = key.len();
                    return key.try_into().map_err(|_| {
                        error(
                            format!("has a key of another length than {KEY_BYTES}: {bytes} bytes"),
                            false,
                        )
                    });
                }
                Err(problem) => return Err(error(format!("has no usable key: {problem}"), true)),
            }
            let made = self.make_key();
            made.map_err(|source| error(format!("takes no new key: {source}"), false))?;
        }
        Err(error("loses its key".to_owned(), false))
    }

    fn make_key(&self) -> io::Result<()> {
        let mut key = [0; KEY_BYTES];
        fill_random(&mut key)?;
        let name = self.write_temporary(&[&key])?;
        let linked = linkat(&self.fd, &name, &self.fd, KEY, AtFlags::empty());
        self.remove(&name);
        match linked {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a file of the host's user that nobody else can reach. None where there is no such file.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>, String> {
        // Whatever has that name, opening it must not wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err("it is a link".to_owned()),
            Err(errno) => return Err(errno.to_string()),
        };
        let stat = fstat(&fd).map_err(|errno| errno.to_string())?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err("it is no file".to_owned());
        }
        match reachable(&stat) {
            Some(problem) => Err(format!("it {problem}")),
            None => Ok(Some(fd.into())),
        }
    }

    /// Writes a file in one step: whoever opens it sees all of it, or what was there before.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let temporary = self.write_temporary(parts)?;
        if let Err(errno) = renameat(&self.fd, &temporary, &self.fd, name) {
            self.remove(&temporary);
            return Err(errno.into());
        }
        Ok(())
    }

    fn write_temporary(&self, parts: &[&[u8]]) -> io::Result<String> {
        let mut random = [0; 16];
        fill_random(&mut random)?;
        let name = format!("{TEMPORARY}{:032x}", u128::from_le_bytes(random));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.fd, &name, flags, Mode::RUSR | Mode::WUSR)?);
        for part in parts {
            if let Err(error) = file.write_all(part) {
                self.remove(&name);
                return Err(error);
            }
        }
        Ok(name)
    }

    /// Notes that a file was used just now.
    pub(super) fn touch(&self, file: &File) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        // A file that cannot be touched looks older than it is.
        let _ = futimens(
            file,
            &Timestamps {
                last_access: now,
                last_modification: now,
            },
        );
    }

    /// Removes a file, or whatever else has its name. One that is gone already is fine; what cannot be removed is found
    /// again.
    pub(super) fn remove(&self, name: &str) {
        if unlinkat(&self.fd, name, AtFlags::empty()).is_err() {
            let _ = unlinkat(&self.fd, name, AtFlags::REMOVEDIR);
        }
    }

    pub(super) fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let Ok(name) = entry?.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            match statat(&self.fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    found.push(Found {
                        name,
                        bytes: u64::try_from(stat.st_size).unwrap_or(0),
                        modified: Duration::new(
                            u64::try_from(stat.st_mtime).unwrap_or(0),
                            u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
                        ),
                    });
                }
                // Another host removed it.
                _ => {}
            }
        }
        Ok(found)
    }
}

/// What lets others than the host's user reach something.
fn reachable(stat: &Stat) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    if stat.st_uid != user {
        return Some(format!(
            "belongs to the user {}, not to {user}",
            stat.st_uid
        ));
    }
    let mode = stat.st_mode & 0o777;
    (mode & 0o077 != 0).then(|| format!("is open to others: its mode is {mode:03o}"))
}

fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled +=
            rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}
