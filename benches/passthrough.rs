//! What a mounted pair of files costs when nothing is known and nothing promised: each read is a pread of the first, each
//! write a pwrite to both, each fsync an fdatasync of both. The bench compares a mounted volume with it.
//!
//! `passthrough FIRST SECOND MOUNTPOINT THREADS` serves `MOUNTPOINT/volume` until it is unmounted.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program of the bench, beside the core"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyWrite, Request, WriteFlags,
};

const TTL: Duration = Duration::from_secs(1);
const VOLUME: INodeNo = INodeNo(2);

struct Passthrough {
    first: File,
    second: File,
    length: u64,
}

impl Passthrough {
    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let folder = ino == INodeNo::ROOT;
        FileAttr {
            ino,
            size: if folder { 0 } else { self.length },
            blocks: self.length / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if folder { FileType::Directory } else { FileType::RegularFile },
            perm: if folder { 0o755 } else { 0o600 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

fn number(error: &std::io::Error) -> Errno {
    Errno::from_i32(error.raw_os_error().unwrap_or(libc::EIO))
}

impl Filesystem for Passthrough {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        let _ = config.add_capabilities(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP);
        let _ = config.add_capabilities(InitFlags::FUSE_ASYNC_DIO);
        Ok(())
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == "volume" {
            reply.entry(&TTL, &self.attributes(VOLUME), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attributes(ino));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let how = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES;
        reply.opened(FileHandle(0), how);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        thread_local! {
            static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
        }
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(buffer.len().max(size as usize), 0);
            let buffer = buffer.get_mut(..size as usize).unwrap_or_default();
            match self.first.read_at(buffer, offset) {
                Ok(read) => reply.data(buffer.get(..read).unwrap_or_default()),
                Err(error) => reply.error(number(&error)),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.first.write_all_at(data, offset);
        match written.and_then(|()| self.second.write_all_at(data, offset)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(number(&error)),
        }
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.first.sync_data().and_then(|()| self.second.sync_data()) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(number(&error)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, second, mountpoint, threads] = arguments.as_slice() else {
        return Err(std::io::Error::other("passthrough FIRST SECOND MOUNTPOINT THREADS"));
    };
    let open = |path: &str| File::options().read(true).write(true).open(path);
    let (first, second) = (open(first)?, open(second)?);
    let length = first.metadata()?.len();
    let mut config = Config::default();
    config.n_threads = threads.parse().ok();
    config.clone_fd = true;
    fuser::mount(Passthrough { first, second, length }, mountpoint, &config)
}
