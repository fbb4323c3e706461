//! An open file of the simulated host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SimHost;
use super::disk::{Change, Inode};
use super::failure::Calls;
use super::machine::failed;
use super::mapping::SimMapping;
use super::watch::SimWatch;
use crate::area::{Kind, Mapping, Medium, Stamp, StoreTracking, View, Watch};
use crate::error::Result;
use crate::units::Extent;

/// An open file: the inode, however it is named by now.
#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) host: SimHost,
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    writable: bool,
}

impl SimFile {
    pub(super) fn new(host: SimHost, path: PathBuf, inode: u64, writable: bool) -> Self {
        if writable {
            *host.machine().writers.entry(inode).or_default() += 1;
        }
        Self { host, path, inode, writable }
    }

    fn look<T>(
        &self,
        operation: &'static str,
        calls: Calls,
        of: impl FnOnce(&Inode) -> T,
    ) -> Result<T> {
        let mut machine = self.host.machine();
        machine.check(&self.path, operation, calls)?;
        let file = machine.now.inodes.get(&self.inode);
        file.map(of).ok_or_else(|| failed(&self.path, operation, libc::EIO))
    }

    fn change(&self, operation: &'static str, change: Change) -> Result<()> {
        if !self.writable {
            return Err(failed(&self.path, operation, libc::EBADF));
        }
        self.host.perform(&self.path, operation, change)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if self.writable
            && let Some(count) = self.host.machine().writers.get_mut(&self.inode)
        {
            *count = count.saturating_sub(1);
        }
    }
}

impl Medium for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn kind(&self) -> Kind {
        Kind::File
    }

    fn length(&self) -> Result<u64> {
        let mut machine = self.host.machine();
        machine.tick();
        let file = machine.now.inodes.get(&self.inode);
        Ok(file.map_or(0, |file| file.content.length()))
    }

    fn stamp(&self) -> Result<Stamp> {
        let machine = self.host.machine();
        let file = machine.now.inodes.get(&self.inode);
        file.map(|file| file.stamp(machine.device(), self.inode))
            .ok_or_else(|| failed(&self.path, "stat", libc::EIO))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.look("read", Calls::Reads, |file| file.content.read(buffer, offset))
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> bool {
        let wanted = buffer.len();
        self.read_at(buffer, offset) == Ok(wanted)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<()> {
        self.change("write", Change::Write { inode: self.inode, offset, data: Arc::from(data) })
    }

    fn discard(&self, extent: Extent) -> Result<()> {
        if extent.is_empty() {
            return Ok(());
        }
        self.change("punching a hole", Change::Discard { inode: self.inode, extent })
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.change("setting the length", Change::SetLength { inode: self.inode, length })
    }

    fn reserve(&self, extent: Extent) -> Result<()> {
        self.change("reserving space", Change::Reserve { inode: self.inode, extent })
    }

    fn sync(&self) -> Result<()> {
        self.host.perform(&self.path, "fdatasync", Change::Sync { inode: self.inode })
    }

    fn sync_all(&self) -> Result<()> {
        self.host.perform(&self.path, "fsync", Change::SyncAll { inode: self.inode })
    }

    fn write_behind(&self, _extent: Extent) {}

    fn drop_cache(&self) {}

    fn data_extents(&self, within: Extent) -> Result<Vec<Extent>> {
        self.look("finding holes", Calls::Reads, |file| file.content.data_extents(within))
    }

    fn tag(&self) -> Result<Option<Vec<u8>>> {
        let of = |file: &Inode| file.tag.as_ref().map(|tag| tag.to_vec());
        self.look("reading the tag", Calls::Reads, of)
    }

    fn set_tag(&self, tag: &[u8]) -> Result<()> {
        let change = Change::SetTag { inode: self.inode, tag: Some(Arc::from(tag)) };
        self.host.perform(&self.path, "setting the tag", change)
    }

    fn remove_tag(&self) -> Result<()> {
        let change = Change::SetTag { inode: self.inode, tag: None };
        self.host.perform(&self.path, "removing the tag", change)
    }

    fn reopen_read_only(&self) -> Result<Arc<dyn Medium>> {
        Ok(Arc::new(Self::new(self.host.clone(), self.path.clone(), self.inode, false)))
    }

    fn watch(self: Arc<Self>) -> Option<Box<dyn Watch>> {
        Some(Box::new(SimWatch::start(self)))
    }

    fn view(&self) -> Result<View> {
        self.look("mapping", Calls::Reads, |file| Arc::new(file.content.to_vec()) as View)
    }

    fn map(&self, extent: Extent, tracking: StoreTracking) -> Result<Arc<dyn Mapping>> {
        self.look("mapping", Calls::Reads, |_| ())?;
        Ok(SimMapping::make(self, extent, tracking))
    }

    fn mappings(&self) -> Result<Vec<Arc<dyn Mapping>>> {
        Ok(SimMapping::all(self))
    }
}
