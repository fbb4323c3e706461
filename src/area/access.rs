//! The two ways to hold an area. A [`Reader`] has no call that changes a byte; a [`Writer`] has.
//!
//! A mirror is held as a `Writer` only while it is being synchronized or is synchronized. [`Writer::freeze`]
//! consumes the writer and gives a reader on a descriptor that the kernel, too, refuses to write through (I1).

use std::path::Path;
use std::sync::Arc;

use super::{Kind, Mapping, Medium, Stamp, StoreTracking, View, Watch};
use crate::error::{Error, Result};
use crate::units::Extent;

/// An area that can be read.
#[derive(Debug, Clone)]
pub struct Reader(Arc<dyn Medium>);

/// An area that can be read and written.
#[derive(Debug)]
pub struct Writer(Arc<dyn Medium>);

impl Reader {
    /// Holds an opened medium for reading.
    pub fn new(medium: Arc<dyn Medium>) -> Self {
        Self(medium)
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether both are the same open area, not only the same file.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Regular file or block device.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// Its size in bytes now.
    pub fn length(&self) -> Result<u64> {
        self.0.length()
    }

    /// Identity, size and times now.
    pub fn stamp(&self) -> Result<Stamp> {
        self.0.stamp()
    }

    /// Reads up to `buffer.len()` bytes; fewer only at the end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.0.read_at(buffer, offset)
    }

    /// Reads exactly `buffer.len()` bytes; an area that ends before is an error.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let read = self.0.read_at(buffer, offset)?;
        if read == buffer.len() {
            return Ok(());
        }
        Err(Error::TooSmall {
            path: self.path().to_path_buf(),
            length: offset + read as u64,
            needed: offset + buffer.len() as u64,
        })
    }

    /// Fills `buffer` if all of it is in the kernel's cache; whether it was.
    pub fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> bool {
        self.0.read_cached_at(buffer, offset)
    }

    /// The parts of `within` that hold data.
    pub fn data_extents(&self, within: Extent) -> Result<Vec<Extent>> {
        self.0.data_extents(within)
    }

    /// Forgets clean cached pages, so that the next read comes from the storage.
    pub fn drop_cache(&self) {
        self.0.drop_cache();
    }

    /// The splitmirror tag, if it has one.
    pub fn tag(&self) -> Result<Option<Vec<u8>>> {
        self.0.tag()
    }

    /// The list of the source's mirrors that it carries, if any.
    pub fn mirrors(&self) -> Result<Option<Vec<u8>>> {
        self.0.mirrors()
    }

    /// Maps all of it for reading.
    pub fn view(&self) -> Result<View> {
        self.0.view()
    }

    /// Its writable mappings that this process holds.
    pub fn mappings(&self) -> Result<Vec<Arc<dyn Mapping>>> {
        self.0.mappings()
    }

    /// Whether its file system is one whose change times are known to tell every change.
    pub fn times_tell(&self) -> bool {
        self.0.times_tell()
    }

    /// Starts to watch for writes by others, where that can be done.
    pub fn watch(&self) -> Option<Box<dyn Watch>> {
        Arc::clone(&self.0).watch()
    }
}

impl Writer {
    /// Holds a medium that was opened for writing.
    pub fn new(medium: Arc<dyn Medium>) -> Self {
        Self(medium)
    }

    /// A reader on the same descriptor.
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.0))
    }

    /// Writes all of `data` at `offset`.
    pub fn write_at(&self, data: &[u8], offset: u64) -> Result<()> {
        self.0.write_at(data, offset)
    }

    /// Makes the extent read as zeros, as a hole where the area has holes.
    pub fn discard(&self, extent: Extent) -> Result<()> {
        self.0.discard(extent)
    }

    /// Cuts or extends a file; a device only has to be large enough.
    pub fn set_length(&self, length: u64) -> Result<()> {
        match self.0.kind() {
            Kind::File if self.0.length()? != length => self.0.set_length(length),
            Kind::Device if self.0.length()? < length => Err(Error::TooSmall {
                path: self.0.path().to_path_buf(),
                length: self.0.length()?,
                needed: length,
            }),
            _ => Ok(()),
        }
    }

    /// Reserves space without changing the length.
    pub fn reserve(&self, extent: Extent) -> Result<()> {
        self.0.reserve(extent)
    }

    /// Maps whole pages for reading and writing.
    pub fn map(&self, extent: Extent, tracking: StoreTracking) -> Result<Arc<dyn Mapping>> {
        self.0.map(extent, tracking)
    }

    /// Puts the data on stable storage.
    pub fn sync(&self) -> Result<()> {
        self.0.sync()
    }

    /// Puts data, times and attributes on stable storage.
    pub fn sync_all(&self) -> Result<()> {
        self.0.sync_all()
    }

    /// Starts writing the extent to storage, without waiting.
    pub fn write_behind(&self, extent: Extent) {
        self.0.write_behind(extent);
    }

    /// Sets the splitmirror tag, durably.
    pub fn set_tag(&self, tag: &[u8]) -> Result<()> {
        self.0.set_tag(tag)
    }

    /// Sets the list of the source's mirrors.
    pub fn set_mirrors(&self, list: &[u8]) -> Result<()> {
        self.0.set_mirrors(list)
    }

    /// Removes the splitmirror tag.
    pub fn remove_tag(&self) -> Result<()> {
        self.0.remove_tag()
    }

    /// Ends writing: what stays is a reader on a new, read-only descriptor of the same open file.
    /// The caller has synced before; the writable descriptor is closed when this returns.
    pub fn freeze(self) -> Result<Reader> {
        Ok(Reader(self.0.reopen_read_only()?))
    }
}
