//! A regular file or block device that is open: [`Medium`] by system calls.
//!
//! Bytes move by `pread` and `pwrite` only, never through a mapping: a truncated file or a full disk is then an
//! error and not a SIGBUS (I9). What is different for devices stands in `device`.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::holes::data_extents;
use super::identity::{file_system_id, stamp_of_file};
use super::mapped::{self, FileMapping};
use super::watch::FileWatch;
use super::{Kind, Mapping, Medium, Stamp, StoreTracking, View, Watch, attributes, device};
use crate::error::{Error, Result};
use crate::units::Extent;

/// No device has larger sectors.
const SECTOR_MAX: u64 = 4096;
/// No file system has larger blocks.
const FILE_SYSTEM_BLOCK_MAX: u64 = 65536;
/// Zeros written where a file system cannot punch holes.
static ZEROS: [u8; 65536] = [0; 65536];

/// An open file or device.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    kind: Kind,
    /// Where the tag of a device is kept: devices have no attributes.
    tag_path: Option<PathBuf>,
    /// Device and inode, kept: a file system that was shut down does not tell them any more.
    identity: Option<(u64, u64)>,
}

impl AsRawFd for OpenFile {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl OpenFile {
    pub(super) fn new(file: File, path: PathBuf, kind: Kind, tag_path: Option<PathBuf>) -> Self {
        let identity = file.metadata().ok().map(|meta| match kind {
            Kind::File => (meta.dev(), meta.ino()),
            Kind::Device => (meta.rdev(), 0),
        });
        Self { file, path, kind, tag_path, identity }
    }

    /// As its [`Stamp`] has them.
    pub(super) fn identity(&self) -> Result<(u64, u64)> {
        let stamped = || self.stamp().map(|stamp| (stamp.device, stamp.inode));
        self.identity.map_or_else(stamped, Ok)
    }

    /// Another descriptor of the same open file.
    pub(super) fn duplicate(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// Where the attributes of a device are kept.
    pub(super) fn tag_path(&self) -> Option<&Path> {
        self.tag_path.as_deref()
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, operation: &'static str) -> impl Fn(Errno) -> Error {
        move |errno| Error::io(&self.path, operation, &errno.into())
    }

    fn write_zeros(&self, extent: Extent) -> Result<()> {
        for piece in extent.pieces(ZEROS.len() as u64) {
            let zeros = ZEROS.get(..piece.length as usize).unwrap_or(&ZEROS);
            self.write_at(zeros, piece.offset)?;
        }
        Ok(())
    }
}

impl Medium for OpenFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn length(&self) -> Result<u64> {
        match self.kind {
            Kind::File => self.file.metadata().map(|meta| meta.len()),
            Kind::Device => device::length(&self.file),
        }
        .map_err(|error| Error::io(&self.path, "reading the size", &error))
    }

    fn stamp(&self) -> Result<Stamp> {
        let meta = self.file.metadata().map_err(|error| Error::io(&self.path, "stat", &error))?;
        match self.kind {
            Kind::File => Ok(stamp_of_file(&meta, file_system_id(&self.file))),
            Kind::Device => Ok(device::stamp(&meta, self.length()?)),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(&self.path, "read", &error)),
            }
        }
        Ok(filled)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> bool {
        let wanted = buffer.len();
        let read =
            preadv2(&self.file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT);
        // Less than all, an error, a file system that cannot be asked: it is no answer.
        read == Ok(wanted)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(data, offset).map_err(|error| Error::io(&self.path, "write", &error))
    }

    fn discard(&self, extent: Extent) -> Result<()> {
        if extent.is_empty() {
            return Ok(());
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let (mut start, mut end) = (extent.offset, extent.end());
        if self.kind == Kind::Device {
            // A device only takes whole sectors.
            start = start.next_multiple_of(SECTOR_MAX).min(end);
            end = (end - end % SECTOR_MAX).max(start);
            self.write_zeros(Extent::between(extent.offset, start))?;
            self.write_zeros(Extent::between(end, extent.end()))?;
        } else if end >= self.length()? {
            // The last block of the file system is given back only as a whole.
            end = end.next_multiple_of(FILE_SYSTEM_BLOCK_MAX);
        }
        if start == end {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, flags, start, end - start) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(extent),
            Err(errno) => Err(self.failed("punching a hole")(errno)),
        }
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.file
            .set_len(length)
            .map_err(|error| Error::io(&self.path, "setting the length", &error))
    }

    fn reserve(&self, extent: Extent) -> Result<()> {
        match rustix::fs::fallocate(
            &self.file,
            FallocateFlags::KEEP_SIZE,
            extent.offset,
            extent.length,
        ) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(self.failed("reserving space")(errno)),
        }
    }

    fn sync(&self) -> Result<()> {
        rustix::fs::fdatasync(&self.file).map_err(self.failed("fdatasync"))
    }

    fn sync_all(&self) -> Result<()> {
        rustix::fs::fsync(&self.file).map_err(self.failed("fsync"))
    }

    fn write_behind(&self, extent: Extent) {
        // SAFETY: integer arguments on a descriptor that is open; no memory is passed.
        unsafe {
            libc::sync_file_range(
                self.file.as_raw_fd(),
                extent.offset.cast_signed(),
                extent.length.cast_signed(),
                libc::SYNC_FILE_RANGE_WRITE,
            );
        }
    }

    fn drop_cache(&self) {
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
    }

    fn data_extents(&self, within: Extent) -> Result<Vec<Extent>> {
        let told = match self.kind {
            Kind::Device => None,
            Kind::File => data_extents(&self.file, within).map_err(self.failed("finding holes"))?,
        };
        match told {
            Some(found) => Ok(found),
            None => Ok(vec![within.intersect(Extent::new(0, self.length()?))]),
        }
    }

    fn tag(&self) -> Result<Option<Vec<u8>>> {
        attributes::read(self, &attributes::TAG)
    }

    fn set_tag(&self, tag: &[u8]) -> Result<()> {
        attributes::set(self, &attributes::TAG, tag)
    }

    fn remove_tag(&self) -> Result<()> {
        attributes::remove(self, &attributes::TAG)
    }

    fn mirrors(&self) -> Result<Option<Vec<u8>>> {
        match attributes::read(self, &attributes::MIRRORS) {
            Err(Error::Io { errno: libc::EOPNOTSUPP, .. }) => Ok(None),
            read => read,
        }
    }

    fn set_mirrors(&self, list: &[u8]) -> Result<()> {
        match list {
            [] => attributes::remove(self, &attributes::MIRRORS),
            list => attributes::set(self, &attributes::MIRRORS, list),
        }
    }

    fn reopen_read_only(&self) -> Result<Arc<dyn Medium>> {
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let file = File::open(link).map_err(|error| Error::io(&self.path, "reopening", &error))?;
        Ok(Arc::new(Self::new(file, self.path.clone(), self.kind, self.tag_path.clone())))
    }

    fn times_tell(&self) -> bool {
        // ext4, xfs, btrfs, tmpfs: where this was tried.
        const KNOWN: [i64; 4] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994];
        self.kind == Kind::File
            && rustix::fs::fstatfs(&self.file).is_ok_and(|found| KNOWN.contains(&found.f_type))
    }

    fn watch(self: Arc<Self>) -> Option<Box<dyn Watch>> {
        // Elsewhere a write may come from a place that neither events nor leases of this file know of: the upper layer
        // of an overlay, another host.
        if !self.times_tell() {
            return None;
        }
        match FileWatch::start(self) {
            Ok(watch) => Some(Box::new(watch)),
            Err(error) => {
                log::info!(target: "splitmirror.area", "writes by others cannot be watched: {error}");
                None
            }
        }
    }

    fn view(&self) -> Result<View> {
        // Asked for by its length: that of a device is not what stat says.
        let length = usize::try_from(self.length()?).unwrap_or(usize::MAX);
        // SAFETY: a mapping of a file that others may truncate: reading beyond the new end raises SIGBUS, which
        // is what a bare view cannot be protected from (docs/architecture.md). The core never reads through it.
        let map =
            unsafe { memmap2::MmapOptions::new().len(length).map(self.file.as_fd().as_raw_fd()) };
        let map = map.map_err(|error| Error::io(&self.path, "mapping", &error))?;
        Ok(Arc::new(map))
    }

    fn map(&self, extent: Extent, tracking: StoreTracking) -> Result<Arc<dyn Mapping>> {
        FileMapping::make(self, extent, tracking)
    }

    fn mappings(&self) -> Result<Vec<Arc<dyn Mapping>>> {
        mapped::mappings(|| self.identity())
    }
}
