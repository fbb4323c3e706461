//! The real machine: [`Host`] on Linux.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::file::OpenFile;
use super::found::{backing, kind_of};
use super::identity::{file_system_id, stamp_of_file};
use super::mapped;
use super::{Access, Found, Host, Kind, Lock, Medium, Ownership, device, lock, mounts, users};
use crate::error::{Error, Result};

/// The real host. Its one setting is where catalogs and tags of devices are kept.
#[derive(Debug, Clone)]
pub struct Linux {
    state_folder: PathBuf,
}

impl Linux {
    /// Keeps what belongs to devices under `state_folder`.
    pub fn new(state_folder: PathBuf) -> Self {
        Self { state_folder }
    }

    /// Takes the state folder from `SPLITMIRROR_STATE_DIR`, else `/var/lib/splitmirror` for root, else
    /// `splitmirror` under `XDG_STATE_HOME` or `~/.local/state`.
    pub fn from_environment() -> Self {
        let of = |name: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let folder = of("SPLITMIRROR_STATE_DIR")
            .or_else(|| rustix::process::geteuid().is_root().then(|| "/var/lib/splitmirror".into()))
            .or_else(|| of("XDG_STATE_HOME").map(|home| home.join("splitmirror")))
            .or_else(|| of("HOME").map(|home| home.join(".local/state/splitmirror")))
            .unwrap_or_else(|| "/tmp/splitmirror".into());
        Self::new(folder)
    }

    fn tag_path(&self, kind: Kind, number: u64) -> Option<PathBuf> {
        let name = || format!("{}.tag", device::stable_name(number));
        (kind == Kind::Device).then(|| self.state_folder.join("tags").join(name()))
    }
}

impl Linux {
    fn open_found(&self, found: &Found, path: &Path, write: bool) -> Result<File> {
        let exclusive = if write && found.kind == Kind::Device { libc::O_EXCL } else { 0 };
        let open = |more: i32| {
            let flags = exclusive | more | libc::O_NOCTTY | libc::O_NONBLOCK;
            File::options().read(true).write(write).custom_flags(flags).open(&found.path)
        };
        // Looking leaves no trace, not even a time of access; only the owner of a file may ask for that.
        let opened = match open(if write { 0 } else { libc::O_NOATIME }) {
            Err(error) if !write && error.raw_os_error() == Some(libc::EPERM) => open(0),
            opened => opened,
        };
        opened.map_err(|error| match error.raw_os_error() {
            Some(libc::EBUSY) => match self.mounted_on(found) {
                Some(mountpoint) => Error::SourceMounted { path: found.path.clone(), mountpoint },
                None => Error::SourceInUse { path: found.path.clone(), pids: self.users(found) },
            },
            _ => Error::io(path, if write { "opening for writing" } else { "opening" }, &error),
        })
    }
}

impl Host for Linux {
    fn find(&self, path: &Path) -> Result<Option<Found>> {
        let failed = |error: std::io::Error| Error::io(path, "stat", &error);
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let meta = std::fs::metadata(&real).map_err(failed)?;
        let kind = kind_of(&real, &meta)?;
        let ownership =
            Ownership { mode: meta.mode() & 0o7777, user: meta.uid(), group: meta.gid() };
        let (stamp, backing) = match kind {
            // A file that may not be read still has an identity; only its file system's name is then unknown.
            Kind::File => {
                let file_system = File::options().read(true).custom_flags(libc::O_PATH).open(&real);
                (
                    stamp_of_file(&meta, file_system.map_or(0, |file| file_system_id(&file))),
                    Vec::new(),
                )
            }
            Kind::Device => {
                let size = std::fs::read_to_string(device::sysfs(meta.rdev()).join("size"));
                let sectors: u64 = size.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
                (device::stamp(&meta, sectors * 512), backing(meta.rdev()))
            }
        };
        Ok(Some(Found { path: real, kind, stamp, ownership, backing }))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn Medium>> {
        let found = self.find(path)?.ok_or_else(|| Error::NotFound { path: path.to_path_buf() })?;
        let write = access == Access::Write;
        let mapped = if write { mapped::open_file(&found.stamp) } else { None };
        let file = mapped.map_or_else(|| self.open_found(&found, path, write), Ok)?;
        // What was opened is what was checked: nobody may have swapped the path in between.
        let meta = file.metadata().map_err(|error| Error::io(path, "stat", &error))?;
        let kind = kind_of(path, &meta)?;
        let tag = self.tag_path(kind, meta.rdev());
        Ok(Arc::new(OpenFile::new(file, found.path, kind, tag)))
    }

    fn create(&self, path: &Path, ownership: Option<Ownership>) -> Result<Arc<dyn Medium>> {
        let failed = |error: std::io::Error| match error.kind() {
            // Also a symlink that leads nowhere: nothing is ever made through one.
            ErrorKind::AlreadyExists => Error::MirrorExists { path: path.to_path_buf() },
            _ => Error::io(path, "creating", &error),
        };
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        if let Some(wanted) = ownership {
            // Owner first: a change of owner clears the set-id bits. Without the right to give files away the
            // file stays ours, which is the best that can be done.
            let given = fchown(&file, Some(wanted.user), Some(wanted.group));
            if given.is_err() && wanted.user != rustix::process::geteuid().as_raw() {
                log::warn!(target: "splitmirror.area", "{} stays owned by this user", path.display());
            }
            file.set_permissions(std::fs::Permissions::from_mode(wanted.mode)).map_err(failed)?;
        }
        Ok(Arc::new(OpenFile::new(file, path.to_path_buf(), Kind::File, None)))
    }

    fn make_folder(&self, path: &Path) -> Result<()> {
        match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::io(path, "creating the folder", &error)),
        }
    }

    fn folders(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect()
    }

    fn check_writable(&self, path: &Path) -> Result<()> {
        use rustix::fs::{AtFlags, CWD};
        rustix::fs::accessat(CWD, path, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS)
            .map_err(|errno| Error::io(path, "opening for writing", &errno.into()))
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Error::io(folder, "fsync", &error))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(|error| Error::io(from, "renaming", &error))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let removed = match std::fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => std::fs::remove_dir(path),
            Ok(_) => std::fs::remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io(path, "removing", &error))
            }
            _ => Ok(()),
        }
    }

    fn check_private(&self, folder: &Path) -> Result<()> {
        let meta =
            std::fs::symlink_metadata(folder).map_err(|error| Error::io(folder, "stat", &error))?;
        let user = rustix::process::geteuid().as_raw();
        let problem = if !meta.is_dir() {
            "it is not a folder"
        } else if meta.uid() != user && meta.uid() != 0 {
            "it belongs to another user"
        } else if meta.mode() & 0o022 != 0 {
            "others may write in it"
        } else {
            return Ok(());
        };
        Err(Error::CatalogUntrusted { path: folder.to_path_buf(), problem: problem.into() })
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        lock::take(path).map(|lock| Box::new(lock) as Box<dyn Lock>)
    }

    fn lock_owner(&self, path: &Path) -> Option<u32> {
        lock::owner(path)
    }

    fn users(&self, found: &Found) -> Vec<u32> {
        users::users(found)
    }

    fn mounted_on(&self, found: &Found) -> Option<PathBuf> {
        mounts::mounted_on(found)
    }

    fn mounted_through(&self, device: u64, folder: &Path) -> Option<PathBuf> {
        mounts::mounted_through(device, folder)
    }

    fn lies_through(&self, path: &Path, device: u64, folder: &Path) -> bool {
        mounts::lies_through(path, device, folder)
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        let folder = path.ancestors().find(|folder| folder.is_dir())?;
        let found = rustix::fs::statvfs(folder).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn catalog_folder(&self, mirror: &Path) -> Result<PathBuf> {
        match self.find(mirror)? {
            Some(found) if found.kind == Kind::Device => {
                Ok(self.state_folder.join("devices").join(device::stable_name(found.stamp.device)))
            }
            _ => {
                let mut name = mirror.as_os_str().to_owned();
                name.push(".splitmirror");
                Ok(name.into())
            }
        }
    }

    fn boot_id(&self) -> String {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        text.map(|id| id.trim().to_owned()).unwrap_or_default()
    }

    fn now_ns(&self) -> i128 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos().cast_signed())
    }

    fn wait_ns(&self, nanoseconds: u64) {
        std::thread::sleep(Duration::from_nanos(nanoseconds));
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(Error::argument("path", "a path cannot hold a NUL byte"));
        }
        if let Ok(real) = path.canonicalize() {
            return Ok(real);
        }
        let name = path.file_name().ok_or_else(|| Error::argument("path", "it names no file"))?;
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder =
            folder.canonicalize().map_err(|error| Error::io(folder, "resolving", &error))?;
        Ok(folder.join(name))
    }
}
