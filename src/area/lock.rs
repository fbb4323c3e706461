//! The lock of a pair: one open file description at a time, freed by the kernel when its process ends.
//!
//! An OFD lock, because a POSIX lock vanishes when any descriptor of the file is closed. It is shared with a
//! forked child, so the owner gives it back explicitly, and a child that drops its copy does not.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Lock;
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
    owner: u32,
}

impl Lock for FileLock {}

impl Drop for FileLock {
    fn drop(&mut self) {
        if std::process::id() == self.owner {
            // Closing the descriptor frees the lock as well, unless a forked child still has it.
            let _ = control(&self.file, libc::F_OFD_SETLK, libc::F_UNLCK);
        }
    }
}

/// Runs one lock command on the whole file; returns the type of the lock that the kernel answered with.
fn control(file: &File, command: libc::c_int, kind: libc::c_int) -> std::io::Result<libc::c_short> {
    let mut lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open and the structure lives through the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == 0 { Ok(lock.l_type) } else { Err(std::io::Error::last_os_error()) }
}

fn recorded_process(file: &mut File) -> u32 {
    let mut text = String::new();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    text.trim().parse().unwrap_or(0)
}

pub(super) fn take(path: &Path) -> Result<FileLock> {
    let failed = |error: std::io::Error| Error::io(path, "locking", &error);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(failed)?;
    match control(&file, libc::F_OFD_SETLK, libc::F_WRLCK) {
        Ok(_) => {}
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            let folder = path.parent().unwrap_or(path);
            return Err(Error::PairInUse {
                path: folder.to_path_buf(),
                pid: recorded_process(&mut file),
            });
        }
        Err(error) => return Err(failed(error)),
    }
    let owner = std::process::id();
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(format!("{owner}\n").as_bytes()))
        .map_err(failed)?;
    Ok(FileLock { file, owner })
}

/// Who holds the lock, without taking it.
pub(super) fn owner(path: &Path) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    let answer = control(&file, libc::F_OFD_GETLK, libc::F_RDLCK).ok()?;
    (libc::c_int::from(answer) != libc::F_UNLCK).then(|| recorded_process(&mut file))
}
