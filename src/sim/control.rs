//! What a test does to the machine: other programs' writes, errors, power cuts.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::crash::{CrashPoint, Damage};
use super::disk::{Change, Disk, Entry};
use super::failure::Failure;
use super::host::SimHost;
use super::machine::Machine;
use super::random::Random;
use crate::area::{Order, Ownership};
use crate::units::PAGE_BYTES;

impl Default for SimHost {
    fn default() -> Self {
        Self::new()
    }
}

impl SimHost {
    /// An empty machine.
    pub fn new() -> Self {
        Self::of(Machine::new(Disk::default(), 1_700_000_000_000_000_000, 1))
    }

    /// Makes everything durable and begins a new log.
    pub fn settle(&self) {
        let mut machine = self.machine();
        machine.start = machine.now.clone();
        machine.log.clear();
    }

    /// Lets another program make a file with these bytes, in folders made as needed; nothing is synced. Pages of
    /// zeros become holes. A file that exists is replaced by a new one, as `mv` does it.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut machine = self.machine();
        for folder in path.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            if machine.now.entry(folder).is_none() {
                machine.record(Change::MakeFolder { path: folder.to_path_buf() }, true);
            }
        }
        let replaced = machine.now.inode_at(path);
        let inode = machine.new_inode();
        let ownership = Ownership { mode: 0o644, user: 0, group: 0 };
        machine.record(Change::Create { inode, ownership }, true);
        machine.record(Change::SetLength { inode, length: bytes.len() as u64 }, true);
        for (offset, page) in
            (0..).step_by(PAGE_BYTES as usize).zip(bytes.chunks(PAGE_BYTES as usize))
        {
            if page.iter().any(|byte| *byte != 0) {
                machine.record(Change::Write { inode, offset, data: Arc::from(page) }, true);
            }
        }
        machine.record(Change::Link { path: path.to_path_buf(), inode }, true);
        if let Some(inode) = replaced {
            machine.foreign.entry(inode).or_default().changes += 1;
        }
    }

    fn native(&self, path: &Path, change: impl FnOnce(u64) -> Change) {
        let mut machine = self.machine();
        if let Some(inode) = machine.now.inode_at(path) {
            machine.record(change(inode), true);
        }
    }

    /// Lets another program write, without syncing.
    pub fn native_write(&self, path: &Path, offset: u64, data: &[u8]) {
        self.native(path, |inode| Change::Write { inode, offset, data: Arc::from(data) });
    }

    /// Lets another program truncate or extend a file.
    pub fn native_set_length(&self, path: &Path, length: u64) {
        self.native(path, |inode| Change::SetLength { inode, length });
    }

    /// Lets another program sync a file, or the names of a folder.
    pub fn native_sync(&self, path: &Path) {
        let folder = self.machine().now.entry(path) == Some(Entry::Folder);
        if folder {
            self.machine().record(Change::SyncFolder { path: path.to_path_buf() }, true);
        } else {
            self.native(path, |inode| Change::SyncAll { inode });
        }
    }

    /// Lets another program remove a file.
    pub fn native_remove(&self, path: &Path) {
        let mut machine = self.machine();
        if let Some(inode) = machine.now.inode_at(path) {
            machine.foreign.entry(inode).or_default().changes += 1;
            machine.record(Change::Unlink { path: path.to_path_buf() }, true);
        }
    }

    /// Says whether another program has the file open.
    pub fn hold_open(&self, path: &Path, holds: bool) {
        let mut machine = self.machine();
        if let Some(inode) = machine.now.inode_at(path) {
            let foreign = machine.foreign.entry(inode).or_default();
            foreign.holds = holds;
        }
    }

    /// The bytes of a file, as a reader sees them now.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.machine().now.file_at(path).map(|file| file.content.to_vec())
    }

    /// Whether two files exist and hold the same bytes now.
    pub fn same_bytes(&self, left: &Path, right: &Path) -> bool {
        let machine = self.machine();
        let files = (machine.now.file_at(left), machine.now.file_at(right));
        matches!(files, (Some(left), Some(right)) if left.content.same_bytes(&right.content))
    }

    /// Whether the file exists and holds these bytes now.
    pub fn holds_bytes(&self, path: &Path, bytes: &[u8]) -> bool {
        self.machine().now.file_at(path).is_some_and(|file| {
            file.content.length() == bytes.len() as u64 && file.content.to_vec() == bytes
        })
    }

    /// All names, folders included.
    pub fn all_names(&self) -> Vec<std::path::PathBuf> {
        self.machine().now.names.keys().cloned().collect()
    }

    /// Sets an error to come.
    pub fn fail(&self, failure: Failure) {
        self.machine().failures.add(failure);
    }

    /// Removes all failures; says whether each had hit.
    pub fn clear_failures(&self) -> bool {
        self.machine().failures.clear()
    }

    /// What `free_bytes` answers from now on. Nothing enforces it.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.machine().free_bytes = bytes;
    }

    /// From now on the core is told not to keep this rule.
    pub fn leave_out(&self, rule: Order) {
        self.machine().left_out.insert(rule);
    }

    /// Calls `hook` before each operation of the core, with no lock of the simulator held: it may wait.
    pub fn on_change(&self, hook: impl Fn(&Change) + Send + Sync + 'static) {
        self.set_hook(Some(Arc::new(hook)));
    }

    /// Ends what [`SimHost::on_change`] began.
    pub fn forget_hook(&self) {
        self.set_hook(None);
    }

    /// The inode of a file.
    pub fn inode(&self, path: &Path) -> Option<u64> {
        self.machine().now.inode_at(path)
    }

    /// How many operations have happened.
    pub fn log_len(&self) -> usize {
        self.machine().log.len()
    }

    /// The operation at a position of the log, for messages.
    pub fn describe(&self, position: usize) -> String {
        self.machine().log.get(position).map_or_else(String::new, |logged| {
            let text = format!("{:?}", logged.change);
            text.chars().take(160).collect()
        })
    }

    /// How often the core (not [`SimHost::native_write`]) changed bytes or length of the file that stands at the
    /// path now, within a part of the log.
    pub fn changes_of(&self, path: &Path, positions: Range<usize>) -> usize {
        let machine = self.machine();
        let inode = machine.now.inode_at(path);
        let part = machine.log.get(positions).unwrap_or_default();
        part.iter()
            .filter(|logged| !logged.native && logged.change.is_data())
            .filter(|logged| inode.is_some() && logged.change.inode() == inode)
            .count()
    }

    /// How many open handles could write the file that stands at the path now.
    pub fn writers(&self, path: &Path) -> usize {
        let machine = self.machine();
        let count = machine.now.inode_at(path).and_then(|inode| machine.writers.get(&inode));
        count.copied().unwrap_or(0)
    }

    /// Where a power cut says most: right before each sync that has something to save, right after it, the end
    /// of the range, and every `stride`-th position in between.
    pub fn crash_points(&self, positions: Range<usize>, stride: usize) -> Vec<usize> {
        let machine = self.machine();
        let mut points = vec![positions.end];
        let mut unsaved = true;
        for position in positions.clone() {
            let Some(logged) = machine.log.get(position) else { break };
            if logged.change.is_sync() {
                if unsaved {
                    points.push(position);
                }
                points.push(position + 1);
            } else if stride > 0 && (position - positions.start).is_multiple_of(stride) {
                points.push(position);
            }
            unsaved = !logged.change.is_sync();
        }
        points.sort_unstable();
        points.dedup();
        points
    }

    /// What may be found after a power cut when the first `position` operations had happened.
    pub fn crash_point(&self, position: usize) -> CrashPoint {
        CrashPoint::new(&self.machine(), position)
    }

    /// One machine found after a power cut at the position, booted again.
    pub fn crash(&self, position: usize, random: &mut Random) -> Self {
        self.crash_point(position).image(random, Damage::default())
    }

    /// The machine with the process killed at the position: nothing is lost, locks are free. A power cut may
    /// still follow, so the log goes with it.
    pub fn kill(&self, position: usize) -> Self {
        let machine = self.machine();
        let mut killed = Machine::new(machine.start.clone(), machine.clock_ns, machine.boot);
        killed.left_out.clone_from(&machine.left_out);
        killed.log = machine.log.iter().take(position).cloned().collect();
        for logged in &killed.log {
            killed.now.apply(&logged.change, logged.at_ns);
        }
        Self::of(killed)
    }
}
