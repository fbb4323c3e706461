//! The one door to bytes: positional calls that many threads may make at once.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use super::{Kind, Mapping, Stamp, StoreTracking, Watch};
use crate::error::Result;
use crate::units::Extent;

/// A mapping of a whole medium for reading; it lives as long as somebody holds it.
pub type View = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Positional I/O on one open file or device. All calls take `&self` and may run in parallel.
///
/// Held through [`super::Reader`] or [`super::Writer`], never bare.
pub trait Medium: Send + Sync + Debug {
    /// The path it was opened by; for messages and for finding it again.
    fn path(&self) -> &Path;
    /// Regular file or block device.
    fn kind(&self) -> Kind;
    /// Its size in bytes now.
    fn length(&self) -> Result<u64>;
    /// Identity, size and times now, by descriptor.
    fn stamp(&self) -> Result<Stamp>;
    /// Fills `buffer` from `offset`; returns fewer bytes only at the end of the medium.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize>;
    /// Fills `buffer` if all of it is in the kernel's cache; whether it was. Never waits for the storage.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> bool;
    /// Writes all of `data` at `offset`; a file grows when that lies past its end.
    fn write_at(&self, data: &[u8], offset: u64) -> Result<()>;
    /// Makes the extent read as zeros, as a hole where the medium has holes. Never changes the length.
    fn discard(&self, extent: Extent) -> Result<()>;
    /// Cuts or extends a file (with a hole).
    fn set_length(&self, length: u64) -> Result<()>;
    /// Reserves space for the extent without changing the length.
    fn reserve(&self, extent: Extent) -> Result<()>;
    /// Data and what is needed to read it back, on stable storage (fdatasync).
    fn sync(&self) -> Result<()>;
    /// [`Medium::sync`], and times and attributes too (fsync).
    fn sync_all(&self) -> Result<()>;
    /// A hint to start writing the extent to storage now, without waiting.
    fn write_behind(&self, extent: Extent);
    /// A hint to forget clean cached pages, so that the next read comes from the storage.
    fn drop_cache(&self);
    /// The parts of `within` that hold data, sorted; what lies between them reads as zeros (SEEK_DATA, SEEK_HOLE).
    fn data_extents(&self, within: Extent) -> Result<Vec<Extent>>;
    /// The splitmirror tag of the source, if it has one.
    fn tag(&self) -> Result<Option<Vec<u8>>>;
    /// Sets the tag. Durable only after [`Medium::sync_all`].
    fn set_tag(&self, tag: &[u8]) -> Result<()>;
    /// Removes the tag.
    fn remove_tag(&self) -> Result<()>;
    /// The list of the source's mirrors that it carries, if any.
    fn mirrors(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    /// Sets that list, or removes an empty one; a medium that keeps none does nothing.
    fn set_mirrors(&self, _list: &[u8]) -> Result<()> {
        Ok(())
    }
    /// The same open file again, by descriptor and not by path, for reading only.
    fn reopen_read_only(&self) -> Result<Arc<dyn Medium>>;
    /// Whether its file system is one whose change times are known to tell every change.
    fn times_tell(&self) -> bool {
        true
    }
    /// Starts to watch for writes by others; `None` where that cannot be done (devices, odd file systems).
    fn watch(self: Arc<Self>) -> Option<Box<dyn Watch>>;
    /// Maps all of it for reading.
    fn view(&self) -> Result<View>;
    /// Maps whole pages of it for reading and writing.
    fn map(&self, extent: Extent, tracking: StoreTracking) -> Result<Arc<dyn Mapping>>;
    /// Its writable mappings that this process holds, whoever made them.
    fn mappings(&self) -> Result<Vec<Arc<dyn Mapping>>>;
}
