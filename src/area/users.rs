//! Which processes have an area open or mapped: a walk through `/proc`, as `fuser` does it.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, makedev};

use super::{Found, Kind};

/// Process ids, our own only when it holds the area beyond the one descriptor of the pair. Processes of other
/// users are seen by root alone.
pub(super) fn users(found: &Found) -> Vec<u32> {
    let own = std::process::id();
    let mut pids: Vec<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let holds = descriptors(*pid, found) + usize::from(maps(*pid, found));
            holds > usize::from(*pid == own)
        })
        .collect();
    pids.sort_unstable();
    pids
}

/// Processes that have a file below a folder open or mapped, or stand in it; as their links in `/proc` say, so that
/// whoever serves the folder is not asked.
pub(super) fn below(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let mut links = vec![PathBuf::from(format!("/proc/{pid}/cwd"))];
            for kind in ["fd", "map_files"] {
                let entries = std::fs::read_dir(format!("/proc/{pid}/{kind}"));
                links.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()));
            }
            links
                .iter()
                .any(|link| std::fs::read_link(link).is_ok_and(|target| target.starts_with(folder)))
        })
        .collect()
}

/// What is known of a file without asking whoever serves its file system: that may be this process, and a wait for
/// itself cannot be killed.
fn known(link: &Path) -> Option<Statx> {
    rustix::fs::statx(CWD, link, AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok()
}

fn is_of(stat: &Statx, found: &Found) -> bool {
    match found.kind {
        Kind::File => {
            makedev(stat.stx_dev_major, stat.stx_dev_minor) == found.stamp.device
                && stat.stx_ino == found.stamp.inode
        }
        Kind::Device => makedev(stat.stx_rdev_major, stat.stx_rdev_minor) == found.stamp.device,
    }
}

fn descriptors(pid: u32, found: &Found) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| known(&entry.path())).filter(|stat| is_of(stat, found)).count()
}

/// Whether a mapping of the file is listed; the descriptor it was made with may be closed by now.
fn maps(pid: u32, found: &Found) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/map_files")) else { return false };
    found.kind == Kind::File
        && entries
            .flatten()
            .filter_map(|entry| known(&entry.path()))
            .any(|stat| is_of(&stat, found))
}
