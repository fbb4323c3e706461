//! What the kernel, a file system and the user allow: each answer is tried on a scratch file, not looked up.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::file::OpenFile;
use super::mapped::FileMapping;
use super::{Disturbance, Kind, Medium, StoreTracking};
use crate::error::{Error, Result};
use crate::units::Extent;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was tried.
    pub check: &'static str,
    /// Whether it works; `None`: it could not be tried.
    pub ok: Option<bool>,
    /// What was found.
    pub detail: String,
    /// What not having it means, and what to do.
    pub advice: &'static str,
}

/// Tries everything in the folder of a path.
pub fn examine(path: &Path) -> Result<Vec<Check>> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !folder.is_dir() {
        return Err(Error::NotFound { path: folder.to_path_buf() });
    }
    let mut checks = Vec::new();
    match scratch(folder) {
        Ok(file) => checks.extend(on_file(&Arc::new(file))),
        Err(error) => checks.push(Check {
            check: "a file can be made here",
            ok: Some(false),
            detail: error.to_string(),
            advice: "choose a folder in which you may write",
        }),
    }
    checks.extend(on_machine());
    Ok(checks)
}

/// A file without a name: it is gone when it is closed, whatever happens.
fn scratch(folder: &Path) -> Result<OpenFile> {
    let failed = |error: std::io::Error| Error::io(folder, "making a scratch file", &error);
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| failed(errno.into()))?;
    let file = OpenFile::new(File::from(file), folder.to_path_buf(), Kind::File, None);
    file.write_at(&[1; 65536], 0)?;
    Ok(file)
}

fn works(
    check: &'static str,
    tried: Result<impl std::fmt::Display>,
    advice: &'static str,
) -> Check {
    match tried {
        Ok(detail) => Check { check, ok: Some(true), detail: detail.to_string(), advice: "" },
        Err(error) => Check { check, ok: Some(false), detail: error.to_string(), advice },
    }
}

fn on_file(file: &Arc<OpenFile>) -> Vec<Check> {
    let tag =
        file.set_tag(b"splitmirror doctor").and_then(|()| file.tag()).map(|_| "user.splitmirror");
    let hole = file
        .discard(Extent::new(4096, 4096))
        .and_then(|()| file.data_extents(Extent::new(0, 65536)));
    let holes = hole.map(|data| format!("{} runs of data round one hole", data.len()));
    let watch = Arc::clone(file).watch().map(|watch| watch.disturbance());
    let proof = match watch {
        Some(Disturbance::None) => Ok("lease and inotify"),
        _ => Err(Error::argument("lease", "neither granted nor refused for a reason of others")),
    };
    vec![
        Check {
            check: "change times tell every change",
            ok: Some(file.times_tell()),
            detail: "ext4, xfs, btrfs and tmpfs are known to".into(),
            advice: "after a close the next plan compares both sides",
        },
        works(
            "the source can carry a tag",
            tag,
            "mode 'exclusive' and several pairs of one source need it",
        ),
        works("holes can be made and found", holes, "copies will not be sparse"),
        works("nobody else writes: it can be proven", proof, "every plan compares both sides"),
        works("cloned ranges", clone_range(file), "copies do not share blocks"),
        works(
            "stores into arrays are tracked by page",
            track_store(file),
            "arrays are mirrored at flush() and at verbs only, by comparing",
        ),
    ]
}

/// One store into a mapping of the file, which a scan has to find, and nothing else.
fn track_store(file: &OpenFile) -> Result<&'static str> {
    let mapping = FileMapping::make(file, Extent::new(0, 65536), StoreTracking::Pages)?;
    // SAFETY: the mapping is writable, lives until the end of this function, and is 65,536 bytes of a file that long.
    unsafe { mapping.address().add(65535).write_volatile(2) };
    let found = mapping.scan(0)?.pages;
    match found.as_slice() {
        // A page may have any size up to all of the mapping.
        [page] if page.end() == 65536 => Ok("userfaultfd and PAGEMAP_SCAN"),
        _ => Err(Error::argument("tracking", format!("one store was reported as {found:?}"))),
    }
}

/// FICLONE onto a second scratch file in the same folder.
fn clone_range(file: &OpenFile) -> Result<&'static str> {
    let target = scratch(file.as_path())?;
    // SAFETY: both descriptors are open; FICLONE takes the second one by value.
    let failed = unsafe { libc::ioctl(target.as_raw_fd(), libc::FICLONE as _, file.as_raw_fd()) };
    if failed == 0 {
        Ok("FICLONE")
    } else {
        Err(Error::io(file.as_path(), "FICLONE", &std::io::Error::last_os_error()))
    }
}

fn on_machine() -> Vec<Check> {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let root = rustix::process::geteuid().is_root();
    let there = |path: &str| PathBuf::from(path).exists();
    vec![
        Check { check: "kernel", ok: None, detail: kernel, advice: "" },
        Check {
            check: "root",
            ok: Some(root),
            detail: format!("user id {}", rustix::process::geteuid().as_raw()),
            advice: "other users' processes cannot be named, and block devices not be opened",
        },
        Check {
            check: "loop devices",
            ok: Some(root && there("/dev/loop-control")),
            detail: "/dev/loop-control".into(),
            advice: "disk images cannot be attached as devices",
        },
        Check {
            check: "FUSE",
            ok: Some(there("/dev/fuse")),
            detail: "/dev/fuse".into(),
            advice: "a volume cannot be mounted",
        },
    ]
}
