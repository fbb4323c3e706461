//! The state behind a [`super::SimHost`]: the disk now, the disk at the start of the log, and the log.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Change, Disk};
use super::failure::{Calls, Failures};
use super::mapping::Mappings;
use crate::area::Order;
use crate::error::{Error, Result};

/// Sector of a medium: what it writes wholly or not at all.
pub(super) const SECTOR_BYTES: usize = 512;

/// An operation, when it happened, and whether another program did it.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) change: Change,
    pub(super) at_ns: i128,
    pub(super) native: bool,
}

/// What other programs did to a file, and whether one has it open now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Foreign {
    pub(super) changes: u64,
    pub(super) holds: bool,
}

#[derive(Debug)]
pub(super) struct Machine {
    /// What was durable when the log began.
    pub(super) start: Disk,
    pub(super) now: Disk,
    pub(super) log: Vec<Logged>,
    pub(super) clock_ns: i128,
    pub(super) boot: u64,
    pub(super) failures: Failures,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) left_out: HashSet<Order>,
    pub(super) foreign: BTreeMap<u64, Foreign>,
    /// Open handles that can write, by file.
    pub(super) writers: BTreeMap<u64, usize>,
    pub(super) free_bytes: u64,
    /// Memory that programs of this boot have mapped from files.
    pub(super) mappings: Mappings,
}

impl Machine {
    pub(super) fn new(start: Disk, clock_ns: i128, boot: u64) -> Self {
        Self {
            now: start.clone(),
            start,
            log: Vec::new(),
            clock_ns,
            boot,
            failures: Failures::default(),
            locks: BTreeSet::new(),
            left_out: HashSet::new(),
            foreign: BTreeMap::new(),
            writers: BTreeMap::new(),
            free_bytes: 1 << 40,
            mappings: Mappings::new(),
        }
    }

    /// Device numbers are given out anew at each boot.
    pub(super) fn device(&self) -> u64 {
        40 + self.boot
    }

    pub(super) fn tick(&mut self) -> i128 {
        self.clock_ns += 1_000;
        self.clock_ns
    }

    /// The error that a call on the file is to fail with.
    pub(super) fn check(
        &mut self,
        path: &Path,
        operation: &'static str,
        calls: Calls,
    ) -> Result<()> {
        self.failures.due(path, calls).map_or(Ok(()), |errno| Err(failed(path, operation, errno)))
    }

    /// Applies an operation and appends it to the log.
    pub(super) fn record(&mut self, change: Change, native: bool) {
        let at_ns = self.tick();
        self.now.apply(&change, at_ns);
        if let Some(inode) = change.inode().filter(|_| native) {
            self.foreign.entry(inode).or_default().changes += 1;
        }
        self.log.push(Logged { change, at_ns, native });
    }

    /// [`Machine::record`], unless a failure is due. What a failing call leaves behind is its worst: a write
    /// that got half way, and a sync that lost what it should have saved.
    pub(super) fn perform(
        &mut self,
        path: &Path,
        operation: &'static str,
        change: Change,
    ) -> Result<()> {
        let sync = change.is_sync();
        let checked = self.check(path, operation, if sync { Calls::Syncs } else { Calls::Changes });
        match (checked, change) {
            (Ok(()), change) => {
                self.record(change, false);
                Ok(())
            }
            (Err(error), Change::Write { inode, offset, data }) => {
                let half = data.len() / 2 / SECTOR_BYTES * SECTOR_BYTES;
                if let Some(data) = data.get(..half).filter(|part| !part.is_empty()) {
                    self.record(Change::Write { inode, offset, data: Arc::from(data) }, false);
                }
                Err(error)
            }
            (Err(error), Change::Sync { inode } | Change::SyncAll { inode }) => {
                self.record(Change::SyncFailed { inode }, false);
                Err(error)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// A number that no file of this disk has or had.
    pub(super) fn new_inode(&self) -> u64 {
        self.now.inodes.last_key_value().map_or(2, |(last, _)| last + 1)
    }
}

/// The error of a failed system call.
pub(super) fn failed(path: &Path, operation: &'static str, errno: i32) -> Error {
    Error::io(path, operation, &std::io::Error::from_raw_os_error(errno))
}
