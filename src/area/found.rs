//! What lies at a path: of which kind it is, and what is under it.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::{Kind, Stamp, device, mounts};
use crate::error::{Error, Result};

/// File or device; anything else cannot be an area.
pub(super) fn kind_of(path: &Path, meta: &std::fs::Metadata) -> Result<Kind> {
    let kind = meta.file_type();
    let what = if kind.is_file() {
        return Ok(Kind::File);
    } else if kind.is_block_device() {
        return Ok(Kind::Device);
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a character device"
    };
    Err(Error::UnsupportedArea { path: path.to_path_buf(), what })
}

/// The stamps of all that lies under a device: loop files, disks of partitions, parts of mapped devices.
pub(super) fn backing(number: u64) -> Vec<Stamp> {
    let mut found: Vec<Stamp> = Vec::new();
    let mut open = vec![number];
    while let Some(next) = open.pop() {
        found.extend(device::loop_file(next).and_then(|path| mounts::stamp_of_path(&path)));
        for lower in device::lower_devices(next) {
            let stamp = Stamp {
                device: lower,
                file_system: 0,
                inode: 0,
                length: 0,
                modified_ns: 0,
                changed_ns: 0,
            };
            if !found.iter().any(|known| known.same_file(&stamp)) {
                found.push(stamp);
                open.push(lower);
            }
        }
    }
    found
}
