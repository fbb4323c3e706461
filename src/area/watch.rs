//! Sees whether others may have written a file while we hold it open: an inotify watch and a file lease.
//!
//! The lease (`fcntl(F_SETLEASE, F_WRLCK)`) is granted only while ours is the one open file description of
//! the inode: no other reader, writer or mapping. The watch tells of those that came and went in between:
//! a writer leaves `IN_CLOSE_WRITE`, and `truncate(2)`, which opens nothing, leaves `IN_MODIFY`.
//!
//! Two traps, both met in practice:
//! - A lease that is held when somebody opens the file raises SIGIO in the holder, which kills the process.
//!   So the signal is set to SIGURG, ignored by default, before each take: giving a lease back resets it.
//! - Our own writes leave `IN_MODIFY` too. From the first of them on it says nothing and is not asked for:
//!   then a `truncate(2)` by path that shrinks the file and grows it back goes unseen (docs/architecture.md).

use std::fmt::Debug;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader as EventReader, WatchFlags};

use super::file::OpenFile;
use crate::error::{Error, Result};

/// What a watch has seen of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing: no event, and nobody else has it open now.
    None,
    /// Somebody has it open or mapped now, or the lease cannot be had here: nothing can be said.
    Unknown,
    /// Somebody had it open for writing, changed its size or attributes, or moved or removed it.
    Seen,
}

/// Watches one open source. Not for devices: they have neither leases nor these events.
pub trait Watch: Send + Sync + Debug {
    /// What others did since the watch began, or since [`Watch::forget`]. Asking does not change the answer.
    fn disturbance(&self) -> Disturbance;
    /// Whether ours is the only open file description of the source at this moment, mappings included.
    fn sole(&self) -> bool {
        self.disturbance() != Disturbance::Unknown
    }
    /// Whether somebody else has the source open or mapped at this moment, as far as the kernel says.
    fn in_use(&self) -> bool {
        !self.sole()
    }
    /// Begins anew: what was seen so far no longer counts.
    fn forget(&self);
    /// Says that writes of our own are about to begin.
    fn expect_own_writes(&self);
    /// Runs a change of attributes of our own while nobody else can open the file, and forgets its events.
    /// When others have it open at that moment, their traces cannot be told from ours: that counts as seen.
    fn own_change(&self, change: &mut dyn FnMut() -> Result<()>) -> Result<()>;
}

/// `fcntl` command that chooses the signal of a lease break; libc does not name it on every target.
const SETSIG: libc::c_int = 10;

const ALWAYS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

#[derive(Debug)]
pub(super) struct FileWatch {
    events: OwnedFd,
    file: Arc<OpenFile>,
    turn: Mutex<()>,
    seen: AtomicBool,
    own_writes: AtomicBool,
}

/// A lease that is given back when dropped. One at a time: giving one back would reset the signal of another that is
/// just being taken, and drain the events that tell of others.
struct Lease<'a> {
    file: &'a OpenFile,
    _turn: MutexGuard<'a, ()>,
}

/// Why there is no lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoLease {
    /// Somebody else has the file open or mapped.
    InUse,
    /// It cannot be had here.
    Impossible,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // SAFETY: plain fcntl on an open descriptor; when the kernel has taken the lease away already this is a
        // harmless error.
        unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    }
}

impl FileWatch {
    pub(super) fn start(file: Arc<OpenFile>) -> Result<Self> {
        let events = rustix::fs::inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| Error::io(file.as_path(), "inotify", &error.into()))?;
        let watch = Self {
            events,
            file,
            turn: Mutex::new(()),
            seen: AtomicBool::new(false),
            own_writes: AtomicBool::new(false),
        };
        watch.arm(ALWAYS | WatchFlags::MODIFY)?;
        Ok(watch)
    }

    /// Waits for its turn, and takes the lease if nobody else has the file open. The turn lasts as long as the result.
    fn lease(&self) -> (Result<Lease<'_>, NoLease>, Option<MutexGuard<'_, ()>>) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let fd = self.file.as_raw_fd();
        // SAFETY: plain fcntl calls with integer arguments on a descriptor that `file` keeps open.
        let taken = unsafe {
            libc::fcntl(fd, SETSIG, libc::SIGURG) == 0
                && libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) == 0
        };
        if taken {
            return (Ok(Lease { file: &self.file, _turn: turn }), None);
        }
        let busy = std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN);
        (Err(if busy { NoLease::InUse } else { NoLease::Impossible }), Some(turn))
    }

    fn arm(&self, flags: WatchFlags) -> Result<()> {
        // By descriptor: the path may lead to another file by now.
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        rustix::fs::inotify::add_watch(&self.events, link, flags)
            .map(drop)
            .map_err(|error| Error::io(self.file.as_path(), "inotify watch", &error.into()))
    }

    /// Takes all queued events; whether any of them speaks of others.
    fn drain(&self) -> bool {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = EventReader::new(&self.events, &mut buffer);
        let mut any = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    // Leftovers of MODIFY from before the mask was narrowed may be our own.
                    let says_nothing = self.own_writes.load(Ordering::Acquire)
                        && event.events() == ReadFlags::MODIFY;
                    any |= !says_nothing;
                }
                Err(rustix::io::Errno::AGAIN) => return any,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return true,
            }
        }
    }

    fn drain_into_seen(&self) {
        if self.drain() {
            self.seen.store(true, Ordering::Release);
        }
    }
}

impl Watch for FileWatch {
    fn disturbance(&self) -> Disturbance {
        // The lease first: who comes later leaves an event by closing, who is there already prevents it.
        let (lease, _turn) = self.lease();
        self.drain_into_seen();
        if self.seen.load(Ordering::Acquire) {
            Disturbance::Seen
        } else if lease.is_err() {
            Disturbance::Unknown
        } else {
            Disturbance::None
        }
    }

    fn sole(&self) -> bool {
        self.lease().0.is_ok()
    }

    fn in_use(&self) -> bool {
        matches!(self.lease().0, Err(NoLease::InUse))
    }

    fn forget(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.drain();
        self.seen.store(false, Ordering::Release);
    }

    fn expect_own_writes(&self) {
        if self.own_writes.load(Ordering::Acquire) {
            return;
        }
        self.drain_into_seen();
        self.own_writes.store(true, Ordering::Release);
        // A mask that cannot be narrowed makes the watch cost more, no worse.
        if let Err(error) = self.arm(ALWAYS) {
            log::debug!(target: "splitmirror.area", "{error}");
        }
    }

    fn own_change(&self, change: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let (lease, _turn) = self.lease();
        self.drain_into_seen();
        if lease.is_err() {
            self.seen.store(true, Ordering::Release);
        }
        let result = change();
        self.drain();
        result
    }
}
