//! A mount: begun, kept in step with the verbs, and ended.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use fuser::{Config, MountOption, Notifier, Session, SessionACL};

use super::attributes::VOLUME;
use super::files::Files;
use super::mirrors::VOLUME_NAME;
use crate::area::{Mountpoint, Ownership, settle};
use crate::error::{Error, Result};
use crate::pair::Pair;
use crate::state::Mode;
use crate::volume::{Export, Volume};

/// Threads that answer the kernel, when nothing is said: a read of one may wait for a block, another for a sync.
const THREADS: usize = 4;
const THREADS_MAX: usize = 256;

/// How to mount.
#[derive(Debug, Clone, Default)]
pub struct MountOptions {
    /// Threads that answer the kernel; 0: as many as is usual.
    pub threads: usize,
    /// Other users than this one may use the files, as far as the source's permissions allow.
    pub allow_other: bool,
}

/// A volume that is mounted.
#[derive(Debug)]
pub struct Mount {
    mountpoint: Mountpoint,
    replaced_stale: bool,
    ended: Arc<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    how: Mutex<Option<Result<()>>>,
    told: Condvar,
}

impl Ended {
    fn tell(&self, how: Result<()>) {
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        self.told.notify_all();
    }
}

/// The mount as verbs see it.
#[derive(Debug)]
struct Mounted {
    volume: Arc<Volume>,
    file: PathBuf,
    device: u64,
    length: Arc<AtomicU64>,
    kernel: Notifier,
}

impl Export for Mounted {
    fn path(&self) -> PathBuf {
        self.file.clone()
    }

    fn device(&self) -> u64 {
        self.device
    }

    fn write_back(&self) -> Result<()> {
        settle(&self.file)
    }

    fn invalidate(&self) -> Result<()> {
        self.length.store(self.volume.length()?, Ordering::Release);
        // Length and times by a message, for which the kernel waits for nobody; not so the pages.
        let forgotten = self.kernel.inval_inode(VOLUME, -1, 0);
        forgotten.map_err(|error| Error::io(&self.file, "invalidating its attributes", &error))?;
        settle(&self.file)
    }
}

impl Mount {
    /// Mounts the volume of a pair on an empty folder. The pair must be of mode `exclusive`, and stay open as long.
    pub fn start(pair: &Arc<Pair>, mountpoint: &Path, options: &MountOptions) -> Result<Self> {
        let (mountpoint, config) = checked(pair, mountpoint, options)?;
        let (mountpoint, replaced_stale) = mountpoint;
        let volume = pair.shared_volume()?;
        let owner = owner_of(pair)?;
        let length = Arc::new(AtomicU64::new(volume.length()?));
        let files = Files::new(Arc::clone(pair), owner, Arc::clone(&length))?;
        let failed = |error: std::io::Error| unmountable(mountpoint.path(), &error);
        let session = Session::new(files, mountpoint.path(), &config).map_err(failed)?;
        let export: Arc<dyn Export> = Arc::new(Mounted {
            volume: Arc::clone(&volume),
            file: mountpoint.path().join(VOLUME_NAME),
            device: mountpoint.device(),
            length,
            kernel: session.notifier(),
        });
        let ended = Arc::new(Ended::default());
        let (told, path) = (Arc::clone(&ended), mountpoint.path().to_path_buf());
        volume.add_export(Arc::clone(&export));
        let (serving, exported) = (Arc::clone(&volume), Arc::clone(&export));
        let serve = move || {
            let served = session.run().map_err(|error| Error::io(&path, "serving", &error));
            serving.remove_export(&exported);
            told.tell(served);
        };
        if let Err(error) =
            std::thread::Builder::new().name("splitmirror-mount".into()).spawn(serve)
        {
            volume.remove_export(&export);
            return Err(failed(error));
        }
        Ok(Self { mountpoint, replaced_stale, ended })
    }

    /// The folder.
    pub fn mountpoint(&self) -> &Path {
        self.mountpoint.path()
    }

    /// The live source, as programs see it.
    pub fn volume_path(&self) -> PathBuf {
        self.mountpoint.path().join(VOLUME_NAME)
    }

    /// Whether a mount of a process that had died was taken away first.
    pub fn replaced_stale(&self) -> bool {
        self.replaced_stale
    }

    /// Takes the mount away: refused while it is used, unless `lazily`. It has ended when [`Mount::wait`] says so.
    pub fn unmount(&self, lazily: bool) -> Result<()> {
        self.mountpoint.unmount(lazily)
    }

    /// Waits for its end, at most so long; how it ended, or `None` when it has not.
    pub fn wait(&self, timeout: Duration) -> Option<Result<()>> {
        let how = self.ended.how.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.told.wait_timeout_while(how, timeout, |how| how.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// Looks at everything that can be looked at before something is changed.
fn checked(
    pair: &Pair,
    mountpoint: &Path,
    options: &MountOptions,
) -> Result<((Mountpoint, bool), Config)> {
    if options.threads > THREADS_MAX {
        return Err(Error::argument("threads", format!("at most {THREADS_MAX}")));
    }
    if pair.record().mode != Mode::Exclusive {
        return Err(Error::argument(
            "mode",
            "a source that other programs may write is not mounted: they would not see what the mount does; make the \
             pair with mode 'exclusive'",
        ));
    }
    let volume = pair.volume()?;
    if let Some(export) = volume.exports().first() {
        let path = export.path();
        let problem = format!("the volume is mounted already, as {}", path.display());
        return Err(Error::Mount { path: mountpoint.to_path_buf(), problem });
    }
    volume.source()?;
    let mountpoint = Mountpoint::prepare(mountpoint)?;
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(Mountpoint::name()),
        MountOption::Subtype("splitmirror".into()),
        MountOption::DefaultPermissions,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoExec,
        MountOption::NoAtime,
    ];
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(if options.threads == 0 { THREADS } else { options.threads });
    config.clone_fd = true;
    Ok((mountpoint, config))
}

/// Whose the files are: the source's owner, with its permissions.
fn owner_of(pair: &Pair) -> Result<Ownership> {
    let path = pair.source_path();
    let found = pair.shared_volume()?.host().find(path)?;
    found.map(|found| found.ownership).ok_or_else(|| Error::SourceMissing { path: path.into() })
}

fn unmountable(path: &Path, error: &std::io::Error) -> Error {
    let advice = match error.raw_os_error() {
        Some(libc::ENOENT) => "; is there a /dev/fuse (load the module fuse)?",
        Some(libc::EPERM | libc::EACCES) | None => {
            "; without root the program fusermount3 is needed, and user_allow_other in /etc/fuse.conf for other users"
        }
        _ => "",
    };
    Error::Mount { path: path.to_path_buf(), problem: format!("mounting failed: {error}{advice}") }
}
