//! Loop devices, and the files that they are set up over, as their driver tells it. The files are never opened or looked
//! up: they may lie on a file system that does not answer, or that this process serves.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::makedev;

use super::device;

/// `LOOP_GET_STATUS64` of `linux/loop.h`.
const GET_STATUS: libc::c_ulong = 0x4C05;

/// `struct loop_info64` of `linux/loop.h`.
#[repr(C)]
struct Status {
    device: u64,
    inode: u64,
    rest: [u64; 27],
}

/// A loop device that is set up.
#[derive(Debug)]
pub(super) struct Loop {
    /// Its device number.
    pub(super) number: u64,
    /// Where its file was when it was set up.
    path: PathBuf,
    /// Device and inode of its file; only who may open the device is told.
    file: Option<(u64, u64)>,
}

impl Loop {
    /// Whether it is set up over this file.
    pub(super) fn is_over(&self, device: u64, inode: u64, path: &Path) -> bool {
        match self.file {
            Some(file) => file == (device, inode),
            None => self.path == path,
        }
    }

    /// Whether its file is on this file system, mounted on a folder.
    pub(super) fn is_on(&self, device: u64, folder: &Path) -> bool {
        self.file.map_or_else(|| self.path.starts_with(folder), |(on, _)| on == device)
    }
}

/// All loop devices that are set up.
pub(super) fn all() -> impl Iterator<Item = Loop> {
    let entries = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"loop")).filter_map(
        |entry| {
            let number = std::fs::read_to_string(entry.path().join("dev")).ok()?;
            let (major, minor) = number.trim().split_once(':')?;
            let number = makedev(major.parse().ok()?, minor.parse().ok()?);
            let path = device::loop_file(number)?;
            Some(Loop { number, path, file: file_of(number) })
        },
    )
}

fn file_of(number: u64) -> Option<(u64, u64)> {
    let mut options = File::options();
    let device =
        options.read(true).custom_flags(libc::O_NONBLOCK).open(device::path_of(number)).ok()?;
    let mut status = Status { device: 0, inode: 0, rest: [0; 27] };
    // SAFETY: the descriptor is open, and the structure is as long as the one that the driver fills.
    let failed = unsafe { libc::ioctl(device.as_raw_fd(), GET_STATUS as _, &raw mut status) };
    (failed == 0).then_some((status.device, status.inode))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_structure_is_as_long_as_the_drivers() {
        assert_eq!(size_of::<super::Status>(), 232);
    }
}
