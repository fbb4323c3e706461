//! A mount: begun, kept in step with the verbs, and ended.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use fuser::{Config, MountOption, Notifier, Session, SessionACL};

use super::attributes::VOLUME;
use super::files::Files;
use super::mirrors::VOLUME_NAME;
use crate::area::{Mountpoint, Ownership};
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
    ended: Mutex<bool>,
    told: Condvar,
}

impl Ended {
    fn tell(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }
}

/// What is to be cleared when nobody serves any more.
#[derive(Debug)]
struct Served {
    volume: Arc<Volume>,
    export: Arc<dyn Export>,
    mountpoint: Mountpoint,
}

impl Served {
    fn clear(&self) {
        self.volume.remove_export(&self.export);
        // Usually it is unmounted. When serving ended for another reason, nobody would answer there.
        if let Err(error) = self.mountpoint.unmount(true) {
            log::error!(target: "splitmirror.mount", "{error}");
        }
    }
}

/// The mount as verbs see it.
#[derive(Debug)]
struct Mounted {
    volume: Arc<Volume>,
    mountpoint: Mountpoint,
    length: Arc<AtomicU64>,
    kernel: Notifier,
}

impl Export for Mounted {
    fn path(&self) -> PathBuf {
        self.mountpoint.path().join(VOLUME_NAME)
    }

    fn device(&self) -> u64 {
        self.mountpoint.device()
    }

    fn write_back(&self) -> Result<()> {
        self.mountpoint.settle(&self.path())
    }

    fn invalidate(&self) -> Result<()> {
        self.length.store(self.volume.length()?, Ordering::Release);
        // Length and times by a message, for which the kernel waits for nobody; not so the pages.
        let forgotten = self.kernel.inval_inode(VOLUME, -1, 0);
        forgotten
            .map_err(|error| Error::io(&self.path(), "invalidating its attributes", &error))?;
        self.write_back()
    }
}

impl Mount {
    /// Mounts the volume of a pair on an empty folder. The pair must be of mode `exclusive`, and stay open as long.
    pub fn start(pair: &Arc<Pair>, mountpoint: &Path, options: &MountOptions) -> Result<Self> {
        let (mountpoint, config) = checked(pair, mountpoint, options)?;
        let (mountpoint, replaced_stale) = mountpoint;
        let volume = pair.shared_volume()?;
        let length = Arc::new(AtomicU64::new(volume.length()?));
        let (ended, end) = (Arc::new(Ended::default()), Arc::new(OnceLock::<Served>::new()));
        let (told, at_end) = (Arc::clone(&ended), Arc::clone(&end));
        let on_end = Box::new(move || {
            if let Some(served) = at_end.get() {
                served.clear();
            }
            told.tell();
        });
        let files = Files::new(Arc::clone(pair), owner_of(pair)?, Arc::clone(&length), on_end)?;
        let failed = |error: std::io::Error| unmountable(mountpoint.path(), &error);
        let session = Session::new(files, mountpoint.path(), &config).map_err(failed)?;
        let mountpoint = mountpoint.clone().mounted();
        let kernel = session.notifier();
        let export: Arc<dyn Export> = Arc::new(Mounted {
            volume: Arc::clone(&volume),
            mountpoint: mountpoint.clone(),
            length,
            kernel,
        });
        volume.add_export(Arc::clone(&export));
        let _ = end.set(Served { volume, export, mountpoint: mountpoint.clone() });
        let background = session.spawn().map_err(|error| unmountable(mountpoint.path(), &error))?;
        // Dropped, it would unmount by path, whatever is mounted there by then (its guard against that is inverted in
        // fuser 0.18, mnt/mod.rs). What it keeps, a thread's handle and a descriptor, goes with the process.
        std::mem::forget(background);
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

    /// Waits for its end, at most so long; whether it has ended.
    pub fn wait(&self, timeout: Duration) -> bool {
        let ended = self.ended.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.told.wait_timeout_while(ended, timeout, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
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
