//! Which mounted file system lies on an area: directly, on a partition, or through a loop device.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::identity::{file_system_id, stamp_of_file};
use super::{Found, Kind, Stamp, device, loops};

/// Where something on the area is mounted.
pub(super) fn mounted_on(found: &Found) -> Option<PathBuf> {
    let devices = match found.kind {
        Kind::Device => above(found.stamp.device),
        Kind::File => {
            let (device, inode) = (found.stamp.device, found.stamp.inode);
            let over = loops::all().filter(|one| one.is_over(device, inode, &found.path));
            over.flat_map(|one| above(one.number)).collect()
        }
    };
    mounted_from(&devices)
}

fn mounted_from(devices: &BTreeSet<u64>) -> Option<PathBuf> {
    if devices.is_empty() {
        return None;
    }
    entries().into_iter().find(|entry| entry.is_from(devices)).map(|entry| entry.folder)
}

/// A mounted file system.
#[derive(Debug)]
pub(super) struct MountEntry {
    /// Where.
    pub(super) folder: PathBuf,
    /// Its type, such as `ext4` or `fuse.splitmirror`.
    pub(super) kind: String,
    /// What it is said to be of.
    pub(super) source: OsString,
    /// Its device number, the same for all places where it is mounted.
    pub(super) device: u64,
}

impl MountEntry {
    /// Whether it lies on one of these devices.
    fn is_from(&self, devices: &BTreeSet<u64>) -> bool {
        // btrfs shows a device number of its own; the device it lies on is in the mount's source.
        let named = || std::fs::metadata(&self.source).map_or(0, |meta| meta.rdev());
        devices.contains(&self.device) || devices.contains(&named())
    }
}

/// All mounts that this process sees, in the order in which they were made.
fn entries() -> Vec<MountEntry> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split(' ');
        let (major, minor) = fields.nth(2)?.split_once(':')?;
        let device = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
        let folder = PathBuf::from(unescaped(fields.nth(1)?));
        let mut behind = line.split(" - ").nth(1)?.split(' ');
        let (kind, source) = (behind.next()?.to_owned(), unescaped(behind.next()?));
        Some(MountEntry { folder, kind, source, device })
    };
    mounts.lines().filter_map(entry).collect()
}

/// What was mounted last on a folder, named by its real path; `None` when nothing is.
pub(super) fn top_at(folder: &Path) -> Option<MountEntry> {
    entries().into_iter().rfind(|entry| entry.folder == folder)
}

/// A mount on a folder by its number, be it covered by others or not.
pub(super) fn at(folder: &Path, device: u64) -> Option<MountEntry> {
    entries().into_iter().find(|entry| entry.folder == folder && entry.device == device)
}

/// Whether a path lies on a file system that is mounted from a loop device over files of another one, or is such a loop
/// device. By names: what lies there is not asked.
pub(super) fn lies_through(path: &Path, device: u64, folder: &Path) -> bool {
    let devices: BTreeSet<u64> = loops_on(device, folder).into_iter().flat_map(above).collect();
    let mounts = entries();
    let below = mounts.iter().filter(|entry| path.starts_with(&entry.folder));
    // The deepest, and of those the last one.
    let on = below.max_by_key(|entry| entry.folder.components().count());
    on.is_some_and(|entry| entry.device == device || entry.is_from(&devices))
        || devices.iter().any(|number| device::path_of(*number) == path)
}

/// Other folders on which the same file system is mounted.
pub(super) fn elsewhere(mount: &MountEntry) -> Vec<PathBuf> {
    let same = entries().into_iter().filter(|entry| entry.device == mount.device);
    same.map(|entry| entry.folder).filter(|folder| *folder != mount.folder).collect()
}

/// The loop devices that are set up over files of a file system that is mounted on a folder.
pub(super) fn loops_on(device: u64, folder: &Path) -> Vec<u64> {
    loops::all().filter(|found| found.is_on(device, folder)).map(|found| found.number).collect()
}

/// Where something is mounted that lies on loop devices over files of a file system that is mounted on a folder.
pub(super) fn mounted_through(device: u64, folder: &Path) -> Option<PathBuf> {
    mounted_from(&loops_on(device, folder).into_iter().flat_map(above).collect())
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

pub(super) fn stamp_of_path(path: &Path) -> Option<Stamp> {
    let file = std::fs::File::open(path).ok()?;
    Some(stamp_of_file(&file.metadata().ok()?, file_system_id(&file)))
}

/// mountinfo writes blanks and the like as `\040`.
fn unescaped(text: &str) -> OsString {
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
    OsString::from_vec(out)
}
