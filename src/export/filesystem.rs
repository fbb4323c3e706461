//! What the kernel asks for, and how it is answered. Each call runs on a serving thread, many at a time.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenAccMode, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request,
    TimeOrNow, WriteFlags,
};

use super::attributes::{ASKED_AGAIN, REMEMBERED, ROOT, VOLUME, number_of, of_folder, of_volume};
use super::mirrors::{Mirrors, VOLUME_NAME, attributes_of};
use super::space;
use crate::area::Ownership;
use crate::error::Result;
use crate::pair::Pair;
use crate::units::Extent;
use crate::volume::Volume;

thread_local! {
    /// What a read brings, before the kernel takes it: one for each serving thread, as large as its largest read.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The volume and its mirrors, as files.
#[derive(Debug)]
pub(super) struct Files {
    pair: Arc<Pair>,
    volume: Arc<Volume>,
    owner: Ownership,
    /// Of the source; changed by a restore alone, which says so.
    length: Arc<AtomicU64>,
    mirrors: Mirrors,
}

type Answer<T> = std::result::Result<T, Errno>;

impl Files {
    pub(super) fn new(pair: Arc<Pair>, owner: Ownership, length: Arc<AtomicU64>) -> Result<Self> {
        let volume = pair.shared_volume()?;
        Ok(Self { pair, volume, owner, length, mirrors: Mirrors::default() })
    }

    /// The volume, unless the pair was closed meanwhile.
    fn volume(&self) -> Answer<&Arc<Volume>> {
        self.pair.volume().map(|_| &self.volume).map_err(|error| number_of(&error))
    }

    fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    fn attributes(&self, inode: INodeNo) -> Answer<FileAttr> {
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

    fn find(&self, parent: INodeNo, name: &OsStr) -> Answer<INodeNo> {
        if parent != ROOT {
            return Err(Errno::ENOTDIR);
        }
        if name == VOLUME_NAME {
            return Ok(VOLUME);
        }
        self.mirrors.named(self.volume()?, name).map(|(inode, _)| inode).ok_or(Errno::ENOENT)
    }

    fn open_file(&self, inode: INodeNo, flags: OpenFlags) -> Answer<(FileHandle, FopenFlags)> {
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

    fn read_into(
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
    fn write_from(
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

    fn resize(&self, inode: INodeNo, size: Option<u64>) -> Answer<FileAttr> {
        match size {
            Some(size) if inode == VOLUME && size > self.length() => Err(Errno::ENOSPC),
            Some(size) if inode != VOLUME || size != self.length() => Err(Errno::EPERM),
            _ => self.attributes(inode),
        }
    }
}

impl Filesystem for Files {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Programs may map a file that is otherwise read and written past the cache (Linux 6.6).
        if config.add_capabilities(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP).is_err() {
            log::info!(target: "splitmirror.mount", "this kernel gives no shared mappings of the volume");
        }
        let _ = config.add_capabilities(InitFlags::FUSE_ASYNC_DIO);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.find(parent, name);
        match found.and_then(|inode| Ok((inode, self.attributes(inode)?))) {
            Ok((inode, attributes)) => {
                let ttl = if inode == VOLUME { REMEMBERED } else { ASKED_AGAIN };
                reply.entry(&ttl, &attributes, Generation(0));
            }
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Ok(attributes) => {
                let ttl = if inode.0 <= VOLUME.0 { REMEMBERED } else { ASKED_AGAIN };
                reply.attr(&ttl, &attributes);
            }
            Err(error) => reply.error(error),
        }
    }

    /// Times are the source's own and are not set; owner and permissions neither, and that is said.
    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changed = if mode.is_some() || uid.is_some() || gid.is_some() {
            Err(Errno::EPERM)
        } else {
            self.resize(inode, size)
        };
        match changed {
            Ok(attributes) => reply.attr(&ASKED_AGAIN, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.open_file(inode, flags) {
            Ok((handle, how)) => reply.opened(handle, how),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _: &Request,
        inode: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if inode != VOLUME {
            self.mirrors.close(handle.0);
        }
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        BUFFER.with_borrow_mut(|buffer| {
            let size = size as usize;
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            let buffer = buffer.get_mut(..size).unwrap_or_default();
            match self.read_into(inode, handle, buffer, offset) {
                Ok(read) => reply.data(buffer.get(..read).unwrap_or_default()),
                Err(error) => reply.error(error),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        how: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = if inode == VOLUME {
            self.write_from(data, offset, (how, flags))
        } else {
            Err(Errno::EROFS)
        };
        match written {
            Ok(count) => reply.written(count),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let flushed = self.volume().and_then(|volume| match inode {
            VOLUME => volume.flush().map_err(|error| number_of(&error)),
            _ => Ok(()),
        });
        answer(flushed, reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let Some(extent) = Extent::checked(offset, length).filter(|_| inode == VOLUME) else {
            return reply.error(if inode == VOLUME { Errno::EFBIG } else { Errno::EROFS });
        };
        let done = self.volume().and_then(|volume| {
            let done = space::fallocate(volume, self.length(), extent, mode);
            done.map_err(|error| error.unwrap_or(Errno::EOPNOTSUPP))
        });
        answer(done, reply);
    }

    fn lseek(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        if inode != VOLUME || offset >= self.length() {
            // Where nothing is known, all is data; the kernel does that by itself when told so once and for all.
            return reply.error(if inode == VOLUME { Errno::ENXIO } else { Errno::EOPNOTSUPP });
        }
        let found = self.volume().and_then(|volume| {
            let found = space::search(volume, self.length(), offset, whence == libc::SEEK_DATA);
            found.map_err(|error| number_of(&error))
        });
        match found {
            Ok(Some(offset)) => reply.offset(offset.cast_signed()),
            Ok(None) => reply.error(Errno::ENXIO),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let volume = match self.volume() {
            Ok(volume) if inode == ROOT => volume,
            Ok(_) => return reply.error(Errno::ENOTDIR),
            Err(error) => return reply.error(error),
        };
        let mut entries = vec![
            (ROOT, FileType::Directory, ".".into()),
            (ROOT, FileType::Directory, "..".into()),
            (VOLUME, FileType::RegularFile, VOLUME_NAME.into()),
        ];
        let split = self.mirrors.list(volume).into_iter();
        entries.extend(split.map(|(number, name, _)| (number, FileType::RegularFile, name)));
        for (next, (number, kind, name)) in (1..).zip(entries).skip(offset as usize) {
            if reply.add(number, next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(self.length().div_ceil(4096), 0, 0, 1, 0, 4096, 255, 4096);
    }

    // What is not there: said once, the kernel does not ask again.

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }
}

fn answer(done: Answer<()>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}
