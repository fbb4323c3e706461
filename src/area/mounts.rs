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
    mounted_from(&devices)
}

fn mounted_from(devices: &BTreeSet<u64>) -> Option<PathBuf> {
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

/// The loop devices that are set up over files below a folder, as the kernel tells it: nobody who serves it is asked.
pub(super) fn loops_below(folder: &Path) -> Vec<u64> {
    loops().filter(|(_, file)| file.starts_with(folder)).map(|(number, _)| number).collect()
}

/// Where something is mounted that lies on loop devices over files below a folder.
pub(super) fn mounted_below(folder: &Path) -> Option<PathBuf> {
    mounted_from(&loops_below(folder).into_iter().flat_map(above).collect())
}

/// The folders that this process serves.
fn served_here() -> Vec<PathBuf> {
    let name = super::Mountpoint::name();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let ours = |line: &&str| {
        line.split(" - ").nth(1).and_then(|rest| rest.split(' ').nth(1)) == Some(&*name)
    };
    let path = |line: &str| line.split(' ').nth(4).map(|path| PathBuf::from(unescaped(path)));
    mounts.lines().filter(ours).filter_map(path).collect()
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

/// The loop devices that are set up over a file. What this process serves is not opened: it would wait for itself.
fn loops_over(file: &Stamp) -> Vec<u64> {
    let served = served_here();
    loops()
        .filter(|(_, path)| !served.iter().any(|folder| path.starts_with(folder)))
        .filter(|(_, path)| stamp_of_path(path).is_some_and(|backing| backing.same_file(file)))
        .map(|(number, _)| number)
        .collect()
}

/// All loop devices that are set up, each with the path of its file.
fn loops() -> impl Iterator<Item = (u64, PathBuf)> {
    let entries = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"loop")).filter_map(
        |entry| {
            let number = std::fs::read_to_string(entry.path().join("dev")).ok()?;
            let (major, minor) = number.trim().split_once(':')?;
            let number = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
            Some((number, device::loop_file(number)?))
        },
    )
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
