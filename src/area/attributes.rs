//! What an area says of itself: extended attributes of a file. Devices have none, so theirs are files under the state
//! directory.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::device;
use super::file::OpenFile;
use crate::error::{Error, Result};

/// One attribute.
pub(super) struct Attribute {
    name: &'static str,
    /// Extension of its file, for a device.
    extension: &'static str,
    /// Anything longer is not ours.
    bytes_max: usize,
    what: [&'static str; 3],
}

/// Whose source or mirror it is: a short line of text.
pub(super) const TAG: Attribute = Attribute {
    name: "user.splitmirror",
    extension: "tag",
    bytes_max: 256,
    what: ["reading the tag", "setting the tag", "removing the tag"],
};

/// The mirrors of a source: as much as an attribute may hold on any file system.
pub(super) const MIRRORS: Attribute = Attribute {
    name: "user.splitmirror.mirrors",
    extension: "mirrors",
    bytes_max: 65536,
    what: [
        "reading the list of mirrors",
        "setting the list of mirrors",
        "removing the list of mirrors",
    ],
};

fn place(of: &OpenFile, attribute: &Attribute) -> Option<PathBuf> {
    of.tag_path().map(|path| path.with_extension(attribute.extension))
}

fn descriptor(of: &OpenFile) -> BorrowedFd<'_> {
    // SAFETY: `of` keeps the descriptor open for as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(of.as_raw_fd()) }
}

fn failed(of: &OpenFile, operation: &'static str, errno: Errno) -> Error {
    Error::io(of.as_path(), operation, &errno.into())
}

pub(super) fn read(of: &OpenFile, attribute: &Attribute) -> Result<Option<Vec<u8>>> {
    if let Some(path) = place(of, attribute) {
        return device::read_tag(&path);
    }
    let mut buffer = vec![0u8; attribute.bytes_max];
    match rustix::fs::fgetxattr(descriptor(of), attribute.name, &mut buffer[..]) {
        Ok(length) => Ok(buffer.get(..length).map(<[u8]>::to_vec)),
        Err(Errno::NODATA) => Ok(None),
        Err(errno) => Err(failed(of, attribute.what[0], errno)),
    }
}

/// Durable only after a sync of the area; for a device when this returns.
pub(super) fn set(of: &OpenFile, attribute: &Attribute, value: &[u8]) -> Result<()> {
    match place(of, attribute) {
        Some(path) => device::write_tag(&path, value),
        None => rustix::fs::fsetxattr(descriptor(of), attribute.name, value, XattrFlags::empty())
            .map_err(|errno| failed(of, attribute.what[1], errno)),
    }
}

pub(super) fn remove(of: &OpenFile, attribute: &Attribute) -> Result<()> {
    match place(of, attribute) {
        Some(path) => device::remove_tag(&path),
        None => match rustix::fs::fremovexattr(descriptor(of), attribute.name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(failed(of, attribute.what[2], errno)),
        },
    }
}
