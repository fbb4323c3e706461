//! Writable mappings of the simulated host: a store is a write that no call of the core makes, found by a scan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::disk::Change;
use super::file::SimFile;
use super::host::SimHost;
use crate::area::{Mapping, Scanned, StoreTracking};
use crate::error::Result;
use crate::units::{Extent, PAGE_BYTES, merged};

/// So few pages a scan: what is large on a real machine takes several.
const PAGES_MAX: usize = 3;

/// What a machine knows of one mapping.
#[derive(Debug)]
pub(super) struct Mapped {
    inode: u64,
    extent: Extent,
    stored: BTreeSet<u64>,
    handle: std::sync::Weak<SimMapping>,
}

/// Mappings by number.
pub(super) type Mappings = BTreeMap<u64, Mapped>;

#[derive(Debug)]
pub(super) struct SimMapping {
    host: SimHost,
    number: u64,
    extent: Extent,
    tracked: bool,
}

impl SimMapping {
    pub(super) fn make(
        file: &SimFile,
        extent: Extent,
        tracking: StoreTracking,
    ) -> Arc<dyn Mapping> {
        let mut machine = file.host.machine();
        let number = machine.mappings.last_key_value().map_or(0, |(last, _)| last + 1);
        let tracked = tracking != StoreTracking::Compare;
        let made = Arc::new(Self { host: file.host.clone(), number, extent, tracked });
        let handle = Arc::downgrade(&made);
        let mapped = Mapped { inode: file.inode, extent, stored: BTreeSet::new(), handle };
        machine.mappings.insert(number, mapped);
        made
    }

    pub(super) fn all(file: &SimFile) -> Vec<Arc<dyn Mapping>> {
        let machine = file.host.machine();
        let mappings = machine.mappings.values().filter(|mapped| mapped.inode == file.inode);
        mappings.filter_map(|mapped| mapped.handle.upgrade().map(|mapping| mapping as _)).collect()
    }
}

impl Drop for SimMapping {
    fn drop(&mut self) {
        self.host.machine().mappings.remove(&self.number);
    }
}

impl Mapping for SimMapping {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn address(&self) -> *mut u8 {
        std::ptr::null_mut()
    }

    fn is_tracked(&self) -> bool {
        self.tracked
    }

    fn is_lost(&self) -> bool {
        false
    }

    fn scan(&self, from: u64) -> Result<Scanned> {
        let mut machine = self.host.machine();
        let Some(mapped) = machine.mappings.get_mut(&self.number) else {
            return Ok(Scanned::default());
        };
        let found: Vec<u64> =
            mapped.stored.range(from / PAGE_BYTES..).take(PAGES_MAX).copied().collect();
        mapped.stored.retain(|page| !found.contains(page));
        let next = found.last().filter(|_| found.len() == PAGES_MAX);
        let next = next.map(|page| (page + 1) * PAGE_BYTES).filter(|at| *at < self.extent.end());
        let pages = found.into_iter().map(|page| Extent::new(page * PAGE_BYTES, PAGE_BYTES));
        Ok(Scanned { pages: merged(pages.collect()), next })
    }
}

impl SimHost {
    /// Lets the program store bytes into memory that is mapped from a file.
    ///
    /// # Panics
    /// When none is mapped there.
    #[expect(clippy::panic, reason = "only tests call it; a store into nothing ends a program")]
    pub fn store(&self, path: &Path, offset: u64, data: &[u8]) {
        let mut machine = self.machine();
        let extent = Extent::new(offset, data.len() as u64);
        let inode = machine.now.inode_at(path).unwrap_or(0);
        let mapped = machine
            .mappings
            .values_mut()
            .find(|mapped| mapped.inode == inode && mapped.extent.intersect(extent) == extent);
        let Some(mapped) = mapped else { panic!("{extent:?} of {} is not mapped", path.display()) };
        mapped.stored.extend(offset / PAGE_BYTES..extent.end().div_ceil(PAGE_BYTES));
        machine.record(Change::Write { inode, offset, data: Arc::from(data) }, false);
    }
}
