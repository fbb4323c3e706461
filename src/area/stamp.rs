//! Identity, size and times of an area, as `fstat` gives them.

use serde::{Deserialize, Serialize};

/// Two equal stamps of one file mean: no system call has changed its bytes, its size or its attributes in
/// between (as far as the clock of the file system can tell, see `tracker::closed`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Device number of the file system (for a device: of the device itself).
    pub device: u64,
    /// Identity of the file system that outlasts a mount where it has one (`f_fsid`), else 0.
    pub file_system: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub length: u64,
    /// Last change of the data, in nanoseconds since the epoch.
    pub modified_ns: i128,
    /// Last change of data or attributes, in nanoseconds since the epoch.
    pub changed_ns: i128,
}

impl Stamp {
    /// Whether both are stamps of the same file, whatever its content. The device number may change with
    /// a reboot; the identity of the file system then still tells.
    pub fn same_file(&self, other: &Self) -> bool {
        self.inode == other.inode
            && (self.device == other.device
                || (self.file_system == other.file_system && self.file_system != 0))
    }

    /// Whether both are stamps of the same file with nothing changed.
    pub fn same_content(&self, other: &Self) -> bool {
        self.same_file(other)
            && self.length == other.length
            && self.modified_ns == other.modified_ns
            && self.changed_ns == other.changed_ns
    }
}
