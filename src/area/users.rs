//! Which processes have an area open or mapped: a walk through `/proc`, as `fuser` does it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Found, Kind};

/// Process ids, our own only when it holds the area beyond the one descriptor of the pair. Processes of other
/// users are seen by root alone.
pub(super) fn users(found: &Found) -> Vec<u32> {
    let own = std::process::id();
    let mut pids = holders(found);
    pids.retain(|(pid, handles)| *handles > usize::from(*pid == own));
    pids.into_iter().map(|(pid, _)| pid).collect()
}

/// Process ids, and how often each has the area open or mapped.
pub(super) fn holders(found: &Found) -> Vec<(u32, usize)> {
    let mut pids: Vec<(u32, usize)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(|pid| (pid, descriptors(pid, found) + usize::from(maps(pid, found))))
        .filter(|(_, handles)| *handles > 0)
        .collect();
    pids.sort_unstable();
    pids
}

/// Processes whose working folder is in a folder.
pub(super) fn standing_in(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stands = |pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    };
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(stands).collect()
}

fn descriptors(pid: u32, found: &Found) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::metadata(entry.path()).ok())
        .filter(|meta| match found.kind {
            Kind::File => meta.dev() == found.stamp.device && meta.ino() == found.stamp.inode,
            Kind::Device => meta.rdev() == found.stamp.device,
        })
        .count()
}

/// Whether a mapping of the file is listed; the descriptor it was made with may be closed by now.
fn maps(pid: u32, found: &Found) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/map_files")) else { return false };
    found.kind == Kind::File
        && entries.flatten().any(|entry| {
            std::fs::metadata(entry.path()).is_ok_and(|meta| {
                meta.dev() == found.stamp.device && meta.ino() == found.stamp.inode
            })
        })
}
