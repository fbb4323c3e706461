//! What a simulated disk holds, and the operations that change it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use crate::area::{Ownership, Stamp};
use crate::units::Extent;

/// One operation of the log.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "fields are what the operation of that name takes")]
pub enum Change {
    /// A file comes to be, without a name yet; [`Change::Link`] follows.
    Create { inode: u64, ownership: Ownership },
    /// Bytes are written.
    Write { inode: u64, offset: u64, data: Arc<[u8]> },
    /// The length is set.
    SetLength { inode: u64, length: u64 },
    /// A hole is punched.
    Discard { inode: u64, extent: Extent },
    /// Space is reserved, which no reader sees.
    Reserve { inode: u64, extent: Extent },
    /// The tag is set, or removed.
    SetTag { inode: u64, tag: Option<Arc<[u8]>> },
    /// A name is given to a file.
    Link { path: PathBuf, inode: u64 },
    /// A folder is made.
    MakeFolder { path: PathBuf },
    /// A name moves, over another one if that exists.
    Rename { from: PathBuf, to: PathBuf, inode: u64 },
    /// A name of a file or folder goes.
    Unlink { path: PathBuf },
    /// fdatasync.
    Sync { inode: u64 },
    /// fsync.
    SyncAll { inode: u64 },
    /// fsync of a folder.
    SyncFolder { path: PathBuf },
    /// fdatasync or fsync that reported an error.
    SyncFailed { inode: u64 },
}

impl Change {
    /// The file whose bytes, length or tag change, or are synced.
    pub fn inode(&self) -> Option<u64> {
        match self {
            Self::Write { inode, .. }
            | Self::SetLength { inode, .. }
            | Self::Discard { inode, .. }
            | Self::Reserve { inode, .. }
            | Self::SetTag { inode, .. }
            | Self::Sync { inode }
            | Self::SyncAll { inode }
            | Self::SyncFailed { inode } => Some(*inode),
            _ => None,
        }
    }

    /// The folder whose names change.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Link { path, .. } | Self::MakeFolder { path } | Self::Unlink { path } => {
                path.parent()
            }
            Self::Rename { to, .. } => to.parent(),
            _ => None,
        }
    }

    /// Whether it makes earlier operations durable.
    pub fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::SyncAll { .. } | Self::SyncFolder { .. })
    }

    /// Whether it changes the bytes or the length of a file.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::SetLength { .. } | Self::Discard { .. })
    }
}

/// A file: found by name, but it lives on while somebody has it open.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) content: Content,
    pub(super) tag: Option<Arc<[u8]>>,
    pub(super) ownership: Ownership,
    pub(super) times: Times,
}

/// Times of a file; none where nothing has happened yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    modified_ns: Option<i128>,
    changed_ns: Option<i128>,
}

impl Times {
    fn at(at_ns: i128) -> Self {
        let ticked = Some(at_ns - at_ns % TICK_NS);
        Self { modified_ns: ticked, changed_ns: ticked }
    }

    /// The times after an operation.
    pub(super) fn note(&mut self, change: &Change, at_ns: i128) {
        let now = Self::at(at_ns);
        if change.is_data() {
            *self = now;
        } else if matches!(change, Change::SetTag { .. }) {
            self.changed_ns = now.changed_ns;
        }
    }

    /// These, and those of `older` where there are none.
    pub(super) fn or(self, older: Self) -> Self {
        Self {
            modified_ns: self.modified_ns.or(older.modified_ns),
            changed_ns: self.changed_ns.or(older.changed_ns),
        }
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File(u64),
}

/// Files by inode number, and names. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) names: BTreeMap<PathBuf, Entry>,
}

/// Kernels stamp files with the time of their last timer tick.
const TICK_NS: i128 = 4_000_000;

impl Disk {
    pub(super) fn entry(&self, path: &Path) -> Option<Entry> {
        if path.parent().is_none() {
            return Some(Entry::Folder);
        }
        self.names.get(path).copied()
    }

    pub(super) fn inode_at(&self, path: &Path) -> Option<u64> {
        match self.entry(path) {
            Some(Entry::File(inode)) => Some(inode),
            _ => None,
        }
    }

    pub(super) fn file_at(&self, path: &Path) -> Option<&Inode> {
        self.inodes.get(&self.inode_at(path)?)
    }

    /// Applies one operation at a time of the clock. Syncs change nothing that can be read.
    pub(super) fn apply(&mut self, change: &Change, at_ns: i128) {
        match change {
            Change::Create { inode, ownership } => {
                let file = Inode {
                    content: Content::default(),
                    tag: None,
                    ownership: *ownership,
                    times: Times::at(at_ns),
                };
                self.inodes.insert(*inode, file);
            }
            Change::Link { path, inode } => {
                self.names.insert(path.clone(), Entry::File(*inode));
            }
            Change::MakeFolder { path } => {
                self.names.insert(path.clone(), Entry::Folder);
            }
            Change::Rename { from, to, inode } => {
                self.names.remove(from);
                self.names.insert(to.clone(), Entry::File(*inode));
            }
            Change::Unlink { path } => {
                self.names.remove(path);
            }
            _ => {
                if let Some(file) = change.inode().and_then(|inode| self.inodes.get_mut(&inode)) {
                    file.apply(change, at_ns);
                }
            }
        }
    }

    /// Drops names that lie in no folder, and files without a name.
    pub(super) fn drop_unreachable(&mut self) {
        let folders: Vec<PathBuf> = self
            .names
            .iter()
            .filter(|(_, entry)| **entry == Entry::Folder)
            .map(|(path, _)| path.clone())
            .collect();
        let exists = |folder: &Path| {
            folder.parent().is_none() || folders.iter().any(|known| known == folder)
        };
        self.names.retain(|path, _| path.ancestors().skip(1).all(exists));
        let named: Vec<Entry> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(&Entry::File(*inode)));
    }
}

impl Inode {
    fn apply(&mut self, change: &Change, at_ns: i128) {
        match change {
            Change::Write { offset, data, .. } => self.content.write(data, *offset),
            Change::SetLength { length, .. } => self.content.set_length(*length),
            Change::Discard { extent, .. } => self.content.discard(*extent),
            Change::SetTag { tag, .. } => self.tag.clone_from(tag),
            _ => {}
        }
        self.times.note(change, at_ns);
    }

    pub(super) fn stamp(&self, device: u64, inode: u64) -> Stamp {
        Stamp {
            device,
            file_system: 7,
            inode,
            length: self.content.length(),
            modified_ns: self.times.modified_ns.unwrap_or(0),
            changed_ns: self.times.changed_ns.unwrap_or(0),
        }
    }
}
