//! What `stat` tells of each file, and which number the kernel knows it by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};

use crate::area::{Ownership, Stamp};
use crate::error::Error;

/// The folder.
pub(super) const ROOT: INodeNo = INodeNo::ROOT;
/// The live source.
pub(super) const VOLUME: INodeNo = INodeNo(2);
/// The first mirror; the others follow.
pub(super) const MIRRORS: INodeNo = INodeNo(3);

/// How long the kernel may remember what it was told of the volume. Whoever changes its length says so.
pub(super) const REMEMBERED: Duration = Duration::from_secs(1);
/// A mirror appears and disappears with its state: the kernel asks every time.
pub(super) const ASKED_AGAIN: Duration = Duration::ZERO;

/// The folder's own attributes: nothing can be made or removed in it.
pub(super) fn of_folder(owner: Ownership) -> FileAttr {
    let permissions = (owner.mode & 0o444) | ((owner.mode & 0o444) >> 2);
    FileAttr {
        kind: FileType::Directory,
        nlink: 2,
        ..of_bytes(ROOT, 0, UNIX_EPOCH, (owner, permissions))
    }
}

/// Of the source: its own permissions, but nobody runs it as a program.
pub(super) fn of_volume(length: u64, stamp: &Stamp, owner: Ownership) -> FileAttr {
    let attributes = of_bytes(VOLUME, length, time(stamp.modified_ns), (owner, owner.mode & 0o666));
    FileAttr { ctime: time(stamp.changed_ns), ..attributes }
}

/// Of a mirror at its point in time.
pub(super) fn of_mirror(inode: INodeNo, length: u64, taken_ns: i128, owner: Ownership) -> FileAttr {
    of_bytes(inode, length, time(taken_ns), (owner, owner.mode & 0o444))
}

fn of_bytes(
    ino: INodeNo,
    size: u64,
    time: SystemTime,
    (owner, permissions): (Ownership, u32),
) -> FileAttr {
    FileAttr {
        ino,
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: FileType::RegularFile,
        perm: permissions as u16,
        nlink: 1,
        uid: owner.user,
        gid: owner.group,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn time(ns: i128) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

/// An error as a system call tells it. What no number says exactly is EIO, with the sentence in the log.
pub(super) fn number_of(error: &Error) -> fuser::Errno {
    let number = match error {
        Error::Range { .. } => libc::ENOSPC,
        Error::Closed | Error::Forked { .. } => libc::ENODEV,
        Error::PairInUse { .. } => libc::EBUSY,
        error => error.errno().unwrap_or(libc::EIO),
    };
    if number == libc::EIO {
        log::error!(target: "splitmirror.mount", "{error}");
    }
    fuser::Errno::from_i32(number)
}
