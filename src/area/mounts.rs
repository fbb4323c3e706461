//! Which mounted file system lies on an area: directly, on a partition, or through a loop device.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::identity::{file_system_id, stamp_of_file};
use super::{Found, Kind, Stamp, device};

/// Where something on the area is mounted.
pub(super) fn mounted_on(found: &Found) -> Option<PathBuf> {
    let devices = match found.kind {
        Kind::Device => above(found.stamp.device),
        Kind::File => loops_over(&found.stamp).into_iter().flat_map(above).collect(),
    };
    if devices.is_empty() {
        return None;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (major, minor) = fields.nth(2)?.split_once(':')?;
        let mountpoint = fields.nth(1)?;
        let mount_source = line.split(" - ").nth(1)?.split(' ').nth(1)?;
        let number = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
        // btrfs shows a device number of its own; the device it lies on is in the mount's source.
        let named = std::fs::metadata(unescaped(mount_source)).map(|meta| meta.rdev()).unwrap_or(0);
        (devices.contains(&number) || (named != 0 && devices.contains(&named)))
            .then(|| PathBuf::from(unescaped(mountpoint)))
    })
}

/// A mounted file system.
#[derive(Debug)]
pub(super) struct MountEntry {
    /// Its type, such as `ext4` or `fuse.splitmirror`.
    pub(super) kind: String,
    /// What it is said to be of.
    pub(super) source: String,
}

/// What was mounted last on a folder, named by its real path; `None` when nothing is.
pub(super) fn top_at(folder: &Path) -> Option<MountEntry> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let entry = |line: &str| {
        let mountpoint = unescaped(line.split(' ').nth(4)?);
        let mut behind = line.split(" - ").nth(1)?.split(' ').map(str::to_owned);
        let (kind, source) = (behind.next()?, behind.next()?);
        (Path::new(&mountpoint) == folder).then_some(MountEntry { kind, source })
    };
    mounts.lines().filter_map(entry).next_back()
}

/// The paths of the loop devices that are set up over a file.
pub(super) fn loop_paths_over(file: &Stamp) -> Vec<PathBuf> {
    loops_over(file).into_iter().map(device::path_of).collect()
}

/// The device and all that is made from it.
fn above(start: u64) -> BTreeSet<u64> {
    let mut found = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(next) = open.pop() {
        open.extend(device::upper_devices(next).into_iter().filter(|upper| found.insert(*upper)));
    }
    found
}

/// The loop devices that are set up over a file.
fn loops_over(file: &Stamp) -> Vec<u64> {
    let entries = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"loop"))
        .filter_map(|entry| {
            let number = std::fs::read_to_string(entry.path().join("dev")).ok()?;
            let (major, minor) = number.trim().split_once(':')?;
            let number = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
            let backing = stamp_of_path(&device::loop_file(number)?)?;
            backing.same_file(file).then_some(number)
        })
        .collect()
}

pub(super) fn stamp_of_path(path: &Path) -> Option<Stamp> {
    let file = std::fs::File::open(path).ok()?;
    Some(stamp_of_file(&file.metadata().ok()?, file_system_id(&file)))
}

/// mountinfo writes blanks and the like as `\040`.
fn unescaped(text: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let octal: Option<String> =
            (byte == b'\\').then(|| rest.by_ref().take(3).map(char::from).collect());
        match octal.and_then(|digits| u8::from_str_radix(&digits, 8).ok()) {
            Some(value) => out.push(value),
            None => out.push(byte),
        }
    }
    std::ffi::OsString::from_vec(out)
}
