//! The volume and its mirrors as files: what each request comes to.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, FopenFlags, INodeNo, OpenAccMode, OpenFlags, WriteFlags,
};

use super::attributes::{ROOT, VOLUME, number_of, of_folder, of_volume};
use super::mirrors::{Mirrors, VOLUME_NAME, attributes_of};
use super::space;
use crate::area::Ownership;
use crate::error::Result;
use crate::pair::Pair;
use crate::units::Extent;
use crate::volume::Volume;

/// The volume and its mirrors, as files.
pub(super) struct Files {
    pair: Arc<Pair>,
    volume: Arc<Volume>,
    owner: Ownership,
    /// Of the source; changed by a restore alone, which says so.
    length: Arc<AtomicU64>,
    mirrors: Mirrors,
    on_end: OnEnd,
}

/// Called when nobody serves any more.
pub(super) type OnEnd = Box<dyn FnMut() + Send + Sync>;

impl std::fmt::Debug for Files {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Files of {}", self.pair.source_path().display())
    }
}

/// What is answered, or the number of the error.
pub(super) type Answer<T> = std::result::Result<T, Errno>;

impl Files {
    pub(super) fn new(
        pair: Arc<Pair>,
        owner: Ownership,
        length: Arc<AtomicU64>,
        on_end: OnEnd,
    ) -> Result<Self> {
        let volume = pair.shared_volume()?;
        Ok(Self { pair, volume, owner, length, mirrors: Mirrors::default(), on_end })
    }

    /// The volume, unless the pair was closed meanwhile.
    fn volume(&self) -> Answer<&Arc<Volume>> {
        self.pair.volume().map(|_| &self.volume).map_err(|error| number_of(&error))
    }

    pub(super) fn end(&mut self) {
        (self.on_end)();
    }

    pub(super) fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    pub(super) fn attributes(&self, inode: INodeNo) -> Answer<FileAttr> {
        match inode {
            ROOT => Ok(of_folder(self.owner)),
            VOLUME => {
                let stamp = self.volume()?.source().and_then(|source| source.stamp());
                let stamp = stamp.map_err(|error| number_of(&error))?;
                Ok(of_volume(self.length(), &stamp, self.owner))
            }
            inode => {
                let leg = self.mirrors.numbered(self.volume()?, inode).ok_or(Errno::ENOENT)?;
                Ok(attributes_of(inode, &leg, self.owner))
            }
        }
    }

    pub(super) fn find(&self, parent: INodeNo, name: &OsStr) -> Answer<INodeNo> {
        if parent != ROOT {
            return Err(Errno::ENOTDIR);
        }
        if name == VOLUME_NAME {
            return Ok(VOLUME);
        }
        self.mirrors.named(self.volume()?, name).map(|(inode, _)| inode).ok_or(Errno::ENOENT)
    }

    pub(super) fn open_file(
        &self,
        inode: INodeNo,
        flags: OpenFlags,
    ) -> Answer<(FileHandle, FopenFlags)> {
        let volume = self.volume()?;
        let writes = flags.acc_mode() != OpenAccMode::O_RDONLY;
        if inode == VOLUME {
            let source = volume.source().map_err(|error| number_of(&error))?;
            if writes {
                source.writer().map_err(|error| number_of(&error))?;
            }
            // Past the kernel's cache, so that no byte is kept that we do not know; and side by side.
            let direct = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES;
            return Ok((FileHandle(0), direct));
        }
        let leg = self.mirrors.numbered(volume, inode).ok_or(Errno::ENOENT)?;
        if writes {
            return Err(Errno::EROFS);
        }
        let handle = self.mirrors.open(volume, &leg).map_err(|error| number_of(&error))?;
        // Cached by the kernel while it is open: it does not change.
        Ok((FileHandle(handle.ok_or(Errno::ENOENT)?), FopenFlags::empty()))
    }

    pub(super) fn read_into(
        &self,
        inode: INodeNo,
        handle: FileHandle,
        buffer: &mut [u8],
        offset: u64,
    ) -> Answer<usize> {
        let volume = self.volume()?;
        if inode == VOLUME {
            return volume.read(buffer, offset).map_err(|error| number_of(&error));
        }
        let file = self.mirrors.file(handle.0).ok_or(Errno::EBADF)?;
        let read = file.read(buffer, offset).map_err(|error| number_of(&error))?;
        read.ok_or(Errno::ESTALE)
    }

    /// Writes what fits; a write that begins at the end or past it does not.
    pub(super) fn write_from(
        &self,
        data: &[u8],
        offset: u64,
        (how, flags): (WriteFlags, OpenFlags),
    ) -> Answer<u32> {
        let volume = self.volume()?;
        let room = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let data = data.get(..room.min(data.len())).unwrap_or(data);
        if data.is_empty() {
            return Err(Errno::ENOSPC);
        }
        let written = if how.contains(WriteFlags::FUSE_WRITE_CACHE) {
            volume.write_mapped(data, offset)
        } else {
            volume.write(data, offset)
        };
        // The kernel leaves O_SYNC and O_DSYNC to us.
        let through = flags.0 & (libc::O_SYNC | libc::O_DSYNC) != 0;
        let durable = || if through { volume.flush() } else { Ok(()) };
        written.and_then(|()| durable()).map_err(|error| number_of(&error))?;
        Ok(data.len() as u32)
    }

    pub(super) fn resize(&self, inode: INodeNo, size: Option<u64>) -> Answer<FileAttr> {
        match size {
            Some(size) if inode == VOLUME && size > self.length() => Err(Errno::ENOSPC),
            Some(size) if inode != VOLUME || size != self.length() => Err(Errno::EPERM),
            _ => self.attributes(inode),
        }
    }

    pub(super) fn close_file(&self, inode: INodeNo, handle: FileHandle) {
        if inode != VOLUME {
            self.mirrors.close(handle.0);
        }
    }

    pub(super) fn make_durable(&self, inode: INodeNo) -> Answer<()> {
        let volume = self.volume()?;
        if inode == VOLUME { volume.flush().map_err(|error| number_of(&error)) } else { Ok(()) }
    }

    pub(super) fn allocate(
        &self,
        inode: INodeNo,
        (offset, length): (u64, u64),
        mode: i32,
    ) -> Answer<()> {
        if inode != VOLUME {
            return Err(Errno::EROFS);
        }
        let extent = Extent::checked(offset, length).ok_or(Errno::EFBIG)?;
        space::fallocate(self.volume()?, self.length(), extent, mode)
    }

    /// The next byte of data, or of a hole.
    pub(super) fn search(&self, inode: INodeNo, offset: i64, whence: i32) -> Answer<u64> {
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        if inode != VOLUME || offset >= self.length() {
            return Err(if inode == VOLUME { Errno::ENXIO } else { Errno::EOPNOTSUPP });
        }
        let data = whence == libc::SEEK_DATA;
        let found = space::search(self.volume()?, self.length(), offset, data);
        found.map_err(|error| number_of(&error))?.ok_or(Errno::ENXIO)
    }

    pub(super) fn entries(&self, inode: INodeNo) -> Answer<Vec<(INodeNo, FileType, OsString)>> {
        let volume = self.volume()?;
        if inode != ROOT {
            return Err(Errno::ENOTDIR);
        }
        let mut entries = vec![
            (ROOT, FileType::Directory, ".".into()),
            (ROOT, FileType::Directory, "..".into()),
            (VOLUME, FileType::RegularFile, VOLUME_NAME.into()),
        ];
        let split = self.mirrors.list(volume).into_iter();
        entries.extend(split.map(|(number, name, _)| (number, FileType::RegularFile, name)));
        Ok(entries)
    }
}
