//! Writable mappings of files and devices, and the list of those that this process holds: a mapping outlives whoever
//! made it, so it is found by the file that it is of.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::Stamp;
use super::file::OpenFile;
use super::forks_seen;
use super::mapping::{Mapping, Scanned, StoreTracking};
use super::pages::{PageWatch, REGIONS_MAX, Region};
use crate::error::{Error, Result};
use crate::units::Extent;

/// Mappings by device and inode.
type Live = BTreeMap<(u64, u64), Vec<Weak<FileMapping>>>;

/// All of them. Entries of mappings that are gone are dropped when somebody looks.
static LIVE: Mutex<Live> = Mutex::new(BTreeMap::new());
/// Whether there was ever one: most programs have none, and every flush asks.
static ANY: AtomicBool = AtomicBool::new(false);

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Part of a file or device, mapped shared and writable.
#[derive(Debug)]
pub(super) struct FileMapping {
    /// Before the memory: what is unmapped cannot be watched.
    watch: Option<PageWatch>,
    memory: MmapRaw,
    extent: Extent,
    /// The same open file that was mapped: a descriptor of its own, which goes with the memory.
    file: File,
    path: PathBuf,
    /// Forks of this process when it was made.
    forks: u64,
    /// A scan failed: what it would have said is not known.
    broken: AtomicBool,
}

impl FileMapping {
    /// Maps whole pages of an open file; the last one may reach beyond its end.
    pub(super) fn make(
        file: &OpenFile,
        extent: Extent,
        tracking: StoreTracking,
    ) -> Result<Arc<dyn Mapping>> {
        let failed = |operation| move |error: std::io::Error| (operation, error);
        let map = || {
            let length = usize::try_from(extent.length).unwrap_or(usize::MAX);
            let forks = forks_seen();
            let memory = MmapOptions::new()
                .offset(extent.offset)
                .len(length)
                .map_raw(file.as_raw_fd())
                .map_err(failed("mapping"))?;
            let watch = match tracking {
                StoreTracking::Compare => None,
                StoreTracking::Auto | StoreTracking::Pages => {
                    // Else a store into one page is reported as one into all pages of a huge one. Not every kernel has
                    // huge pages to be told of.
                    let _ = memory.advise(Advice::NoHugePage);
                    match PageWatch::start(memory.as_mut_ptr(), length) {
                        Ok(watch) => Some(watch),
                        Err(error) if tracking == StoreTracking::Pages => {
                            return Err((
                                "tracking pages (tracking=\"compare\" does without)",
                                error,
                            ));
                        }
                        Err(error) => {
                            log::info!(target: "splitmirror.area", "the kernel does not track pages here: {error}");
                            None
                        }
                    }
                }
            };
            Ok((forks, memory, watch, file.duplicate().map_err(failed("dup"))?))
        };
        let (forks, memory, watch, same) =
            map().map_err(|(operation, error)| Error::io(file.as_path(), operation, &error))?;
        let identity = file.identity()?;
        let path = file.as_path().to_path_buf();
        let broken = AtomicBool::new(false);
        let made = Arc::new(Self { watch, memory, extent, file: same, path, forks, broken });
        ANY.store(true, Ordering::Release);
        live().entry(identity).or_default().push(Arc::downgrade(&made));
        Ok(made)
    }
}

/// The writable mappings of a file that this process holds.
pub(super) fn mappings(of: impl FnOnce() -> Result<(u64, u64)>) -> Result<Vec<Arc<dyn Mapping>>> {
    if !ANY.load(Ordering::Acquire) {
        return Ok(Vec::new());
    }
    Ok(found(of()?).into_iter().map(|mapping| mapping as _).collect())
}

fn found(identity: (u64, u64)) -> Vec<Arc<FileMapping>> {
    let mut live = live();
    live.retain(|_, mappings| {
        mappings.retain(|mapping| mapping.strong_count() > 0);
        !mappings.is_empty()
    });
    let found = live.get(&identity).into_iter().flatten();
    found.filter_map(Weak::upgrade).collect()
}

/// The open file of a mapping that has outlived whoever made it. Opened a second time, a file would look as if somebody
/// else had it too, and a device could not be. Not in a child: its parent has the same one.
pub(super) fn open_file(stamp: &Stamp) -> Option<File> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let own = found((stamp.device, stamp.inode))
        .into_iter()
        .find(|mapping| mapping.forks == forks_seen());
    own.and_then(|mapping| mapping.file.try_clone().ok())
}

impl Mapping for FileMapping {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn address(&self) -> *mut u8 {
        self.memory.as_mut_ptr()
    }

    fn is_tracked(&self) -> bool {
        self.watch.is_some() && !self.is_lost()
    }

    fn is_lost(&self) -> bool {
        let alone = self.forks == forks_seen() && !self.broken.load(Ordering::Acquire);
        self.watch.is_some() && !alone
    }

    fn scan(&self, from: u64) -> Result<Scanned> {
        let Some(watch) = &self.watch else { return Ok(Scanned::default()) };
        let base = self.memory.as_mut_ptr() as u64;
        let mut regions = [Region::default(); REGIONS_MAX];
        let from = base + from.saturating_sub(self.extent.offset);
        let (found, looked) = watch.scan(from, &mut regions).map_err(|error| {
            self.broken.store(true, Ordering::Release);
            Error::io(&self.path, "scanning for stores", &error)
        })?;
        let place = |region: &Region| {
            let offset = self.extent.offset + region.start - base;
            Extent::new(offset, region.end - region.start)
        };
        let pages = regions.iter().take(found).map(place).collect();
        let next = (looked < watch.end()).then(|| self.extent.offset + looked - base);
        Ok(Scanned { pages, next })
    }
}
