//! The machine as the core sees it: paths, locks, clock, boot id. One real implementation, one simulated.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Medium, Order, Stamp};
use crate::error::Result;

/// What an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file.
    File,
    /// A block device.
    Device,
}

/// How an area is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For reading.
    Read,
    /// For reading and writing; a device with `O_EXCL`, so a mounted one is refused.
    Write,
}

/// Permissions and owner of a file, to recreate it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Permission bits.
    pub mode: u32,
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
}

/// What stands at a path (symlinks followed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path with every symlink resolved.
    pub path: PathBuf,
    /// Regular file or block device.
    pub kind: Kind,
    /// Identity, size and times.
    pub stamp: Stamp,
    /// Permissions and owner.
    pub ownership: Ownership,
    /// The files under a loop device, in the order of stacking; empty for anything else.
    pub backing: Vec<Stamp>,
}

/// A lock that lasts until it is dropped, or its process ends.
pub trait Lock: Send + Sync + Debug {}

/// Where the core runs. All paths are absolute.
pub trait Host: Send + Sync + Debug {
    /// What stands at the path; `None` when nothing. A directory, FIFO, socket or character device is refused.
    fn find(&self, path: &Path) -> Result<Option<Found>>;
    /// Opens an area that exists.
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn Medium>>;
    /// Creates a file; one that exists is refused (O_EXCL).
    fn create(&self, path: &Path, ownership: Option<Ownership>) -> Result<Arc<dyn Medium>>;
    /// Creates a folder that only its owner can enter, and its parents; one that exists is kept.
    fn make_folder(&self, path: &Path) -> Result<()>;
    /// The folders in a folder, symlinks left out; empty when there is none or it may not be read.
    fn folders(&self, _folder: &Path) -> Vec<PathBuf> {
        Vec::new()
    }
    /// Refuses when a file could not be opened for writing, without opening it.
    fn check_writable(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
    /// Sets the tag of an area, without a writable handle on its bytes.
    fn set_tag(&self, path: &Path, tag: &[u8]) -> Result<()> {
        let area = self.open(path, Access::Read)?;
        area.set_tag(tag)?;
        area.sync_all()
    }
    /// Removes the tag of an area, without a writable handle on its bytes.
    fn remove_tag(&self, path: &Path) -> Result<()> {
        let area = self.open(path, Access::Read)?;
        area.remove_tag()?;
        area.sync_all()
    }
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> Result<()>;
    /// Renames a file over another.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file or an empty folder; nothing there is fine.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Refuses a folder that somebody else owns or may write.
    fn check_private(&self, folder: &Path) -> Result<()>;
    /// Takes an exclusive lock on the file at `path` (made when missing), naming the owner when it is taken.
    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>>;
    /// The process that holds the lock at `path`, if any.
    fn lock_owner(&self, path: &Path) -> Option<u32>;
    /// Other processes that have the area open or mapped.
    fn users(&self, found: &Found) -> Vec<u32>;
    /// Where a file system that lies on the area is mounted, if anywhere.
    fn mounted_on(&self, found: &Found) -> Option<PathBuf>;
    /// Where a file system is mounted that lies, through a loop device, on a file of the file system with this number, which
    /// is mounted on a folder.
    fn mounted_through(&self, _device: u64, _folder: &Path) -> Option<PathBuf> {
        None
    }
    /// Whether a path lies on that file system, or on one that is mounted through a loop device from a file of it.
    fn lies_through(&self, _path: &Path, _device: u64, _folder: &Path) -> bool {
        false
    }
    /// Free bytes for an unprivileged writer of a file at the path, where it can be known.
    fn free_bytes(&self, path: &Path) -> Option<u64>;
    /// The folder in which the catalog of a mirror is kept by default.
    fn catalog_folder(&self, mirror: &Path) -> Result<PathBuf>;
    /// Changes with every boot.
    fn boot_id(&self) -> String;
    /// Nanoseconds since the epoch, by the wall clock.
    fn now_ns(&self) -> i128;
    /// Waits, at least this long.
    fn wait_ns(&self, nanoseconds: u64);
    /// The path made absolute, symlinks of its folder resolved, whether or not the last name exists.
    fn absolute(&self, path: &Path) -> Result<PathBuf>;
    /// Tells machines apart: two hosts with the same number are the same machine. Only tests have more than one.
    fn machine(&self) -> usize {
        0
    }
    /// Whether an ordering rule is kept; only a test's host ever says no.
    fn keeps(&self, _rule: Order) -> bool {
        true
    }
}
