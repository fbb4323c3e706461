//! The folder on which a volume is mounted: what stands there before, and how the mount is taken away again.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::UnmountFlags;

use super::mounts::{self, MountEntry};
use super::{device, users};
use crate::error::{Error, Result};

/// What a volume's mount is listed as, followed by the process that serves it.
const NAME: &str = "splitmirror-";

/// A folder that a volume can be mounted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mountpoint {
    path: PathBuf,
    /// The number of what was mounted there by this process, or found; 0: nothing yet.
    device: u64,
    /// Who serves it; numbers are given again.
    server: u32,
}

impl Mountpoint {
    /// Looks at the folder. A mount whose process has died there is taken away first; that it was is told.
    pub fn prepare(path: &Path) -> Result<(Self, bool)> {
        let stale = take_stale_away(path)?;
        let unusable =
            |problem: &str| Error::Mount { path: path.to_path_buf(), problem: problem.to_owned() };
        let real = path.canonicalize().map_err(|error| Error::io(path, "resolving", &error))?;
        match std::fs::read_dir(&real).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => {
                return Err(unusable(
                    "the folder is not empty: what is in it could not be reached",
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(unusable("it is not a folder; make an empty one"));
            }
            Err(error) => return Err(Error::io(path, "reading the folder", &error)),
        }
        match mounts::top_at(&real) {
            Some(entry) => {
                Err(unusable(&format!("a file system ({}) is mounted there", entry.kind)))
            }
            None => Ok((Self { path: real, device: 0, server: std::process::id() }, stale)),
        }
    }

    /// A folder on which a volume is mounted, and the process that serves it.
    pub fn existing(path: &Path) -> Result<(Self, u32)> {
        let real = real(path)?;
        let top = mounts::top_at(&real);
        match top.as_ref().and_then(|top| Some((serving(top)?, top.device))) {
            Some((server, device)) => Ok((Self { path: real, device, server }, server)),
            None => Err(Error::Mount {
                path: path.to_path_buf(),
                problem: "no volume is mounted there".into(),
            }),
        }
    }

    /// The name under which this process's mounts are listed.
    pub fn name() -> String {
        format!("{NAME}{}", std::process::id())
    }

    /// The folder, symlinks resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This process has mounted something there just now.
    pub fn mounted(self) -> Self {
        let device = mounts::top_at(&self.path).map_or(0, |entry| entry.device);
        Self { device, ..self }
    }

    /// The number of the file system that was mounted there.
    pub fn device(&self) -> u64 {
        self.device
    }

    /// What was mounted there, if it is reached there still: neither gone nor covered by something else.
    fn reached(&self) -> Option<MountEntry> {
        mounts::top_at(&self.path)
            .filter(|top| top.device == self.device && serving(top) == Some(self.server))
    }

    /// Takes the mount away. It is refused while somebody uses it, unless `lazily`: then it disappears from the folder
    /// now, and ends when the last user has gone.
    pub fn unmount(&self, lazily: bool) -> Result<()> {
        let Some(entry) = self.reached() else {
            return match mounts::at(&self.path, self.device) {
                None => Ok(()),
                Some(_) => Err(Error::Mount {
                    path: self.path.clone(),
                    problem: "something else is mounted over it; unmount that first".into(),
                }),
            };
        };
        let mounts = mounts::elsewhere(&entry);
        if !mounts.is_empty() && !lazily {
            // The kernel would let it go, and it would be served on for the others.
            return Err(self.busy(&entry, mounts));
        }
        match take_away(&self.path, lazily) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                Err(self.busy(&entry, mounts))
            }
            other => other.map_err(|error| Error::io(&self.path, "unmounting", &error)),
        }
    }

    /// Who keeps it from being unmounted, as far as can be seen.
    fn busy(&self, entry: &MountEntry, mounts: Vec<PathBuf>) -> Error {
        let pids = users::below(&self.path);
        let loops = mounts::loops_on(entry.device, &self.path);
        let loops = loops.into_iter().map(device::path_of).collect();
        Error::MountBusy { path: self.path.clone(), pids, loops, mounts }
    }
}

/// The process that serves it, when it is a mount of ours. Its type is `fuse.splitmirror` where a helper made it.
fn serving(entry: &MountEntry) -> Option<u32> {
    let number = entry.source.to_str()?.strip_prefix(NAME)?;
    if entry.kind.starts_with("fuse") { number.parse().ok() } else { None }
}

/// The path with the symlinks of its folder resolved: what is mounted on it may not answer.
fn real(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    let folder = folder.map_err(|error| Error::io(path, "resolving", &error))?;
    let real = folder.join(path.file_name().unwrap_or_default());
    if path.file_name().is_some() && mounts::top_at(&real).is_some() {
        return Ok(real);
    }
    Ok(path.canonicalize().unwrap_or(real))
}

/// A mount of ours that nobody serves any more answers everything with ENOTCONN, also its own path.
fn take_stale_away(path: &Path) -> Result<bool> {
    let dead = |error: &std::io::Error| error.raw_os_error() == Some(libc::ENOTCONN);
    // Its attributes may still be remembered; opening it is asked for.
    if !std::fs::read_dir(path).is_err_and(|error| dead(&error)) {
        return Ok(false);
    }
    let real = real(path)?;
    match mounts::top_at(&real).as_ref().and_then(serving) {
        Some(pid) => {
            take_away(&real, true).map_err(|error| Error::io(path, "unmounting", &error))?;
            log::warn!(
                target: "splitmirror.area",
                "process {pid}, which served {}, had died; its mount was taken away", path.display()
            );
            Ok(true)
        }
        None => Err(Error::Mount {
            path: path.to_path_buf(),
            problem: "another program's mount there is dead; unmount it first (umount -l)".into(),
        }),
    }
}

fn take_away(path: &Path, lazily: bool) -> std::io::Result<()> {
    let flags = if lazily { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    match rustix::mount::unmount(path, flags | UnmountFlags::NOFOLLOW) {
        Err(rustix::io::Errno::PERM) => by_helper(path, lazily),
        other => Ok(other?),
    }
}

/// What a user may mount, a set-user-id helper unmounts. It is not always in the PATH.
fn by_helper(path: &Path, lazily: bool) -> std::io::Result<()> {
    let run = |program: &str| {
        let mut command = Command::new(program);
        command.arg("-u").args(lazily.then_some("-z")).arg("--").arg(path);
        command.stdin(Stdio::null()).output()
    };
    let output = run("fusermount3").or_else(|_| run("/bin/fusermount3"));
    let refused = |number| Err(std::io::Error::from_raw_os_error(number));
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("busy") => {
            refused(libc::EBUSY)
        }
        _ => refused(libc::EPERM),
    }
}

impl Mountpoint {
    /// Opens a file of the folder that this process serves, and syncs it: by another process, the program `sync`. The
    /// kernel writes back what is mapped of it, and forgets its pages (a file that is opened without
    /// `FOPEN_KEEP_CACHE`).
    ///
    /// A process that waits for an answer of its own can no longer be killed: the kernel lets nobody go whose request
    /// was taken, and nothing ends a connection that is open in a process which waits. Another process is let go when
    /// this one dies.
    pub fn settle(&self, file: &Path) -> Result<()> {
        if self.reached().is_none() {
            return Err(Error::Mount {
                path: self.path.clone(),
                problem: "the volume is not reached there any more (it was unmounted lazily, or something is mounted \
                          over it), and programs may still use it: end them, or unmount what covers it"
                    .into(),
            });
        }
        let run = |program: &str| {
            let mut command = Command::new(program);
            command.env("LC_ALL", "C").arg("--data").arg(file).current_dir("/");
            command.stdin(Stdio::null()).stdout(Stdio::null()).output()
        };
        let output = run("sync").or_else(|_| run("/usr/bin/sync")).or_else(|_| run("/bin/sync"));
        let output = output.map_err(|error| Error::Mount {
            path: self.path.clone(),
            problem: format!("the program sync cannot be run: {error}; install coreutils"),
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        log::error!(target: "splitmirror.area", "{}", said.trim());
        let errno = match &said {
            said if said.contains("No space left") => libc::ENOSPC,
            said if said.contains("quota exceeded") => libc::EDQUOT,
            _ => libc::EIO,
        };
        Err(Error::io(file, "fsync", &std::io::Error::from_raw_os_error(errno)))
    }
}
