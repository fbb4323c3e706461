//! The volume: one source with all its mirrors, the one controller that every read and write goes through.
//!
//! What a write does to a mirror is decided here and nowhere else, by the [`Side`] that the mirror is on:
//!
//! | side | a write goes to | and |
//! |---|---|---|
//! | `Absent` (initialized, unsynchronized, failed) | the source | marks its blocks |
//! | `Synchronizing` | the source; the mirror where its block was copied already | |
//! | `Synchronized` | both | |
//! | `Paused` (point taken, or source suspect) | the source | marks its blocks |
//! | `Frozen` (split) | the source | marks its blocks; during a restore by the block table of `restoring` |
//!
//! A write passes the gate (`gate`, held for reading: counters in stripes, so that writers share no cache line), then
//! the lock of each stripe that it touches, in order. Changing a side takes the gate for writing: that drains the
//! writes under way. Nothing that waits for storage is done under the gate but the reads and writes themselves: what
//! must be durable before a write ([`intent`], [`session`]) is made so before it enters.
//!
//! Lock order: `changing`, a leg's handles, the intent log, `collecting`, gate, stripe, catalog. The copiers take stripes only.

mod arrays;
mod collect;
mod discard;
mod establish;
mod evict;
mod exports;
mod failure;
mod flush;
mod intent;
mod join;
mod landing;
mod leave;
mod leg;
mod mirrorer;
mod read;
mod registry;
mod repair;
mod restore;
mod restoring;
mod session;
mod siblings;
mod side;
mod source;
mod split;
mod stripes;
mod takeover;
mod traffic;
mod unfinished;
mod verify;
mod write;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};

use crate::area::{Host, Reader};
use crate::bitmap::Bitmap;
use crate::engine::Pool;
use crate::error::{Error, Result};
use crate::units::{BlockSize, Extent};

pub use arrays::{HandedOut, take_back};
use evict::Evictor;
pub use exports::Export;
use exports::Exports;
use intent::Intent;
pub use join::check_identity;
pub use leg::{Leg, Unseen};
use mirrorer::Mirrorer;
pub use registry::{Entrance, attach, claim_open, identity_of};
pub use restore::Pace;
pub use restoring::{Beginning, Origin, Restoring};
pub use siblings::Missing;
pub use side::{Attached, Phase, Running, Side};
pub use source::Source;
pub(crate) use source::{read_tag, tag_of};
pub use split::Taken;
use stripes::Stripes;
pub use traffic::Traffic;

/// How a volume works; tests make batches and regions small.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Threads for bulk work; 0: one a core, up to four.
    pub workers: usize,
    /// After so many copied bytes progress is made durable.
    pub batch_bytes: u64,
    /// Unit of the intent log: a power of two, and at least a block.
    pub region_bytes: u64,
    /// How many regions may be logged at once.
    pub region_slots: usize,
    /// Whether regions are evicted on a thread of its own; else by the write that needs the room.
    pub background: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 0,
            // A gigabyte is copied in well under a second or two: little is lost by an interruption, and the copy
            // rarely waits for the storage.
            batch_bytes: 1 << 30,
            region_bytes: 4 << 20,
            region_slots: 4096,
            background: true,
        }
    }
}

/// A source with its mirrors, open.
#[derive(Debug)]
pub struct Volume {
    /// Itself, for its threads.
    me: Weak<Self>,
    host: Arc<dyn Host>,
    process: u32,
    settings: Settings,
    source_path: PathBuf,
    pool: Pool,
    gate: ShardedLock<Phase>,
    stripes: Stripes,
    intent: Intent,
    evictor: Evictor,
    /// Unit of what is not synced yet.
    unit: BlockSize,
    /// What was written and not put on stable storage yet, in the source.
    unsynced: Bitmap,
    /// Held, shared, by a sync of the source, which has taken what was not on stable storage and does not know yet.
    syncing: RwLock<()>,
    /// The intent is durable: this session may write.
    session: AtomicBool,
    /// A sync of the source failed outside a flush; the next one reports it.
    sync_lost: AtomicBool,
    /// Held by a write that makes a file longer whose mirror is a device.
    growing: Mutex<()>,
    /// Held to begin a session, raise the epoch, or attach a mirror or let one go.
    changing: Mutex<()>,
    /// What of the source was handed out in this session.
    handed_out: Mutex<Vec<Extent>>,
    /// Held by whoever collects what was stored there. Before the gate.
    collecting: Mutex<()>,
    mirrorer: Mirrorer,
    /// Held while a restore begins, or what must not begin beside one.
    starts: Mutex<()>,
    /// Mirrors of the source that could not be opened.
    missing: Mutex<Vec<Missing>>,
    /// Where programs reach it through the kernel.
    exports: Exports,
    /// How busy the application keeps the source while a restore copies.
    traffic: Traffic,
}

/// The gate, closed.
type Gate<'a> = ShardedLockWriteGuard<'a, Phase>;

fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run of bytes that a file can have.
fn checked(offset: u64, length: usize) -> Result<Extent> {
    let length = length as u64;
    Extent::checked(offset, length).ok_or_else(|| Error::beyond_files(offset, length))
}

impl Volume {
    /// A volume without mirrors. `unit`: the block of its first one.
    fn new(
        host: Arc<dyn Host>,
        settings: Settings,
        source_path: PathBuf,
        source: Option<Arc<Source>>,
        unit: BlockSize,
    ) -> Arc<Self> {
        let pool =
            if settings.workers == 0 { Pool::default() } else { Pool::new(settings.workers) };
        let phase = Phase { source, ..Phase::default() };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            host,
            process: std::process::id(),
            settings,
            source_path,
            pool,
            gate: ShardedLock::new(phase),
            stripes: Stripes::new(),
            intent: Intent::new(&settings),
            evictor: Evictor::default(),
            unit,
            unsynced: Bitmap::default(),
            syncing: RwLock::new(()),
            session: AtomicBool::new(false),
            sync_lost: AtomicBool::new(false),
            growing: Mutex::new(()),
            changing: Mutex::new(()),
            handed_out: Mutex::new(Vec::new()),
            collecting: Mutex::new(()),
            mirrorer: Mirrorer::default(),
            starts: Mutex::new(()),
            missing: Mutex::new(Vec::new()),
            exports: Exports::default(),
            traffic: Traffic::default(),
        })
    }

    /// The machine it runs on.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// Where the source is.
    pub fn source_path(&self) -> &Path {
        &self.source_path
    }

    /// The threads for bulk work.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A new beginning of the tracking for one mirror, because all of the source is about to be looked at. No write
    /// is under way meanwhile: a mark that is cleared here is of bytes that the look will see.
    pub fn begin_tracking(&self, leg: &Leg, source: &Source) {
        let _gate = self.close_gate();
        leg.belief().anchor(source.tracker());
        leg.dirty().clear_all();
        leg.set_recovered(false);
    }

    /// Whether anything was written through this volume since it was opened.
    pub fn has_session(&self) -> bool {
        self.session.load(Ordering::Acquire)
    }

    fn gate(&self) -> ShardedLockReadGuard<'_, Phase> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the gate: returns when no write is under way, and keeps others out while held.
    fn close_gate(&self) -> Gate<'_> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the phase while no side can change. Nothing of it is kept: a handle of a mirror that outlived the
    /// gate would outlive a split.
    pub fn look<T>(&self, at: impl FnOnce(&Phase) -> T) -> T {
        at(&self.gate())
    }

    /// Looks at the side of one mirror, as [`Volume::look`].
    pub fn look_at<T>(&self, leg: &Leg, at: impl FnOnce(&Side) -> T) -> T {
        self.look(|phase| at(phase.side(leg)))
    }

    /// The mirrors.
    pub fn legs(&self) -> Vec<Arc<Leg>> {
        self.look(|phase| phase.legs.iter().map(|attached| Arc::clone(&attached.leg)).collect())
    }

    /// The source, or the error that it is missing.
    pub fn source(&self) -> Result<Arc<Source>> {
        self.look(|phase| phase.source.clone()).ok_or_else(|| self.source_missing())
    }

    fn source_missing(&self) -> Error {
        Error::SourceMissing { path: self.source_path.clone() }
    }

    /// Calls `begin` with the reader of a split mirror, unless the mirror is about to be written.
    pub fn begin_view<T>(&self, leg: &Leg, begin: impl FnOnce(&Reader) -> T) -> Option<T> {
        self.look_at(leg, |side| match side {
            Side::Frozen(reader) if leg.is_seen() => Some(begin(reader)),
            _ => None,
        })
    }

    /// Lets nobody begin a view of a mirror any more, once `check` has found that there is none.
    pub fn end_views(&self, leg: &Arc<Leg>, check: impl FnOnce() -> Result<()>) -> Result<Unseen> {
        let _gate = self.close_gate();
        check()?;
        Ok(leg.hide())
    }

    /// A reader of a split mirror.
    pub fn frozen_mirror(&self, leg: &Leg) -> Option<Reader> {
        self.look_at(leg, |side| match side {
            Side::Frozen(reader) => Some(reader.clone()),
            _ => None,
        })
    }
}
