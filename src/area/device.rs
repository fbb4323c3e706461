//! What is different for block devices: their size, identity, stable name and tag.
//!
//! A device has no attributes to carry a tag and no folder beside it for a catalog, so both lie under the state
//! directory, filed by a name of the device that outlasts a reboot.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};

use super::Stamp;
use crate::error::{Error, Result};

pub(super) fn length(device: &File) -> std::io::Result<u64> {
    // A second handle on the same description: seeking is harmless, all I/O is positional.
    let mut device: &File = device;
    device.seek(SeekFrom::End(0))
}

pub(super) fn stamp(meta: &std::fs::Metadata, length: u64) -> Stamp {
    Stamp { device: meta.rdev(), file_system: 0, inode: 0, length, modified_ns: 0, changed_ns: 0 }
}

/// `/sys/dev/block/8:1`: what the kernel tells of a device.
pub(super) fn sysfs(device: u64) -> PathBuf {
    PathBuf::from(format!("/sys/dev/block/{}:{}", major(device), minor(device)))
}

/// Where a device usually stands, by the kernel's name for it.
pub(super) fn path_of(device: u64) -> PathBuf {
    let name = std::fs::canonicalize(sysfs(device)).ok();
    let name = name.as_deref().and_then(Path::file_name).map(ToOwned::to_owned);
    Path::new("/dev").join(name.unwrap_or_else(|| sysfs(device).into_os_string()))
}

fn sysfs_line(device: u64, attribute: &str) -> Option<String> {
    let text = std::fs::read_to_string(sysfs(device).join(attribute)).ok()?;
    let line = text.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The file under a loop device, by path, and the devices under a partition or a mapped device.
pub(super) fn loop_file(device: u64) -> Option<PathBuf> {
    sysfs_line(device, "loop/backing_file").map(PathBuf::from)
}

/// The devices that this one is a part of or is made of.
pub(super) fn lower_devices(device: u64) -> Vec<u64> {
    let folder = sysfs(device);
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder.join("slaves"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    if folder.join("partition").exists()
        && let Ok(own) = folder.canonicalize()
        && let Some(disk) = own.parent()
    {
        names.push(disk.to_path_buf());
    }
    // A loop device may also stand over a device.
    let looped = loop_file(device).and_then(|path| std::fs::metadata(path).ok());
    let looped = looped.filter(|meta| meta.file_type().is_block_device());
    let numbers = names.iter().filter_map(|path| device_number(path));
    numbers.chain(looped.map(|meta| meta.rdev())).collect()
}

/// The devices that are parts of this one or made from it.
pub(super) fn upper_devices(device: u64) -> Vec<u64> {
    let folder = sysfs(device);
    let holders = std::fs::read_dir(folder.join("holders")).into_iter().flatten().flatten();
    let children = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    holders
        .chain(children.filter(|entry| entry.path().join("partition").exists()))
        .filter_map(|entry| device_number(&entry.path()))
        .collect()
}

fn device_number(folder: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// A file name for the device that stays the same when it is found again: the World Wide Name or mapper
/// identity, the file under a loop device, else the name the kernel gave it.
pub(super) fn stable_name(device: u64) -> String {
    let by_kernel = || {
        let name = sysfs(device).canonicalize().ok();
        name.and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
    };
    let found = sysfs_line(device, "dm/uuid")
        .map(|id| format!("dm-{id}"))
        .or_else(|| sysfs_line(device, "wwid").map(|id| format!("wwid-{id}")))
        .or_else(|| sysfs_line(device, "device/wwid").map(|id| format!("wwid-{id}")))
        .or_else(|| {
            let file = loop_file(device)?;
            let digest = blake3::hash(file.as_os_str().as_bytes()).to_hex();
            Some(format!("loop-{}", digest.get(..32)?))
        })
        .or_else(by_kernel)
        .unwrap_or_else(|| format!("{}-{}", major(device), minor(device)));
    found
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
        .take(120)
        .collect()
}

pub(super) fn read_tag(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(tag) => Ok(Some(tag)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "reading the tag", &error)),
    }
}

/// Replaces the tag file; it is durable when this returns.
pub(super) fn write_tag(path: &Path, tag: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(path, "setting the tag", &error);
    let next = path.with_extension("next");
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&next)
        .map_err(failed)?;
    file.write_all(tag).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&next, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

pub(super) fn remove_tag(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, "removing the tag", &error))
        }
        _ => Ok(()),
    }
}
