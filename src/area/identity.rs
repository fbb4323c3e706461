//! Who a file is: its stamp as `stat` gives it, and the name of the file system it is on.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use super::Stamp;

pub(super) fn stamp_of_file(meta: &std::fs::Metadata, file_system: u64) -> Stamp {
    let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Stamp {
        device: meta.dev(),
        file_system,
        inode: meta.ino(),
        length: meta.len(),
        modified_ns: ns(meta.mtime(), meta.mtime_nsec()),
        changed_ns: ns(meta.ctime(), meta.ctime_nsec()),
    }
}

/// What `statfs` calls `f_fsid`, and the kind of file system in it, so that two kinds never agree.
pub(super) fn file_system_id(file: &File) -> u64 {
    let mut found = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the kernel fills the structure, all zeros is a valid value of it, and the descriptor is open.
    let (failed, found) =
        unsafe { (libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) != 0, found.assume_init()) };
    if failed {
        return 0;
    }
    // SAFETY: `fsid_t` is two 32-bit numbers that libc keeps private.
    let id: [u32; 2] = unsafe { std::mem::transmute(found.f_fsid) };
    (u64::from(id[0]) << 32) | u64::from(id[1])
}
