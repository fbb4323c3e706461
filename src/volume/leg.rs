//! A leg: one mirror of the volume, with its catalog and what is known of where it differs from the source.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use uuid::Uuid;

use super::{Source, unpoisoned};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, IntentLog, MapKind, Seal};
use crate::error::Result;
use crate::state::{Mode, Reason};
use crate::tracker::{Belief, Tracker};
use crate::units::{BlockSize, Extent};

/// One mirror, as the volume sees it.
#[derive(Debug)]
pub struct Leg {
    pair_id: Uuid,
    mirror_path: PathBuf,
    folder: PathBuf,
    mode: Mode,
    block_size: BlockSize,
    /// Blocks in which source and mirror may differ.
    dirty: Bitmap,
    belief: Belief,
    catalog: Mutex<Catalog>,
    intents: Arc<IntentLog>,
    /// The seal of the point, for checking blocks before they are used.
    seal: Mutex<Option<Arc<Seal>>>,
    /// Where the last byte ends that was written since the mirror was last brought up to date.
    pub(super) written_end: AtomicU64,
    /// Held for reading by whoever uses a handle of the mirror outside the gate; for writing to give the last one up.
    handles: RwLock<()>,
    /// Whether its catalog takes intents. Once it does not, it is told by the epoch alone that it missed writes.
    logged: AtomicBool,
    /// The marks hold what the intent log of an unclean close named.
    recovered: AtomicBool,
    /// Commits of the catalog when it was opened.
    first_sequence: u64,
    /// How many other mirrors are being copied from it.
    lent: AtomicU64,
    /// It is about to be written: nobody begins to look at it any more.
    unseen: AtomicBool,
    /// A pair object has it; else it was opened because it is a mirror of the same source.
    claimed: AtomicBool,
}

/// A mirror that is copied from.
#[derive(Debug)]
pub struct Lent(Arc<Leg>);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.lent.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A mirror that nobody begins to look at, until this is dropped.
#[derive(Debug)]
pub struct Unseen(Arc<Leg>);

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.unseen.store(false, Ordering::Release);
    }
}

impl Leg {
    /// The mirror of an opened catalog. `dirty` has room for all blocks.
    pub fn new(
        catalog: Catalog,
        mirror_path: PathBuf,
        dirty: Bitmap,
        tracker: Option<&Tracker>,
    ) -> Self {
        let record = catalog.record();
        Self {
            pair_id: record.pair_id,
            mirror_path,
            folder: catalog.folder().to_path_buf(),
            mode: record.mode,
            block_size: record.block_size,
            dirty,
            belief: Belief::new(record.mode, tracker),
            intents: catalog.intents(),
            first_sequence: catalog.sequence(),
            catalog: Mutex::new(catalog),
            seal: Mutex::new(None),
            written_end: AtomicU64::new(0),
            handles: RwLock::new(()),
            logged: AtomicBool::new(true),
            recovered: AtomicBool::new(false),
            lent: AtomicU64::new(0),
            unseen: AtomicBool::new(false),
            claimed: AtomicBool::new(false),
        }
    }

    /// Whether both are the same mirror.
    pub fn is(&self, other: &Self) -> bool {
        self.pair_id == other.pair_id
    }

    /// Identity of the pair.
    pub fn pair_id(&self) -> Uuid {
        self.pair_id
    }

    /// Where the mirror is.
    pub fn mirror_path(&self) -> &Path {
        &self.mirror_path
    }

    /// Where its catalog is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who may write the source, as this pair was promised.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Unit of tracking.
    pub fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// The catalog. Taken last of all locks, and of one mirror at a time.
    pub fn catalog(&self) -> MutexGuard<'_, Catalog> {
        unpoisoned(&self.catalog)
    }

    pub(super) fn intents(&self) -> &IntentLog {
        &self.intents
    }

    /// Blocks in which source and mirror may differ, as far as this volume knows.
    pub fn dirty(&self) -> &Bitmap {
        &self.dirty
    }

    /// Source and mirror may differ in these bytes.
    pub(super) fn mark(&self, extent: Extent) {
        self.dirty.set(self.block_size.touching(extent));
    }

    /// Source and mirror may differ in these regions of an intent log.
    pub(super) fn mark_regions(&self, regions: &[u64], region_bytes: u64) {
        for region in regions {
            self.mark(Extent::new(region.saturating_mul(region_bytes), region_bytes));
        }
    }

    /// Whether the marks are believed.
    pub fn belief(&self) -> &Belief {
        &self.belief
    }

    /// Why the marks are not believed now, as far as the source is concerned; `None` when they are.
    pub fn doubt(&self, source: &Source) -> Option<Reason> {
        self.belief.doubt(source.tracker())
    }

    /// The marks, durably.
    pub(super) fn save_marks(&self) -> Result<()> {
        self.catalog().commit_with(&[(MapKind::Dirty, &[&self.dirty])], |_| {})
    }

    /// The seal of the point, read once. A seal file that is gone or damaged is an error: the point was sealed.
    pub fn seal(&self) -> Result<Option<Arc<Seal>>> {
        let mut known = unpoisoned(&self.seal);
        if known.is_none() {
            *known = self.catalog().read_seal()?.map(Arc::new);
        }
        Ok(known.clone())
    }

    /// Forgets the seal in memory: the record has a new one, or none.
    pub fn forget_seal(&self) {
        *unpoisoned(&self.seal) = None;
    }

    /// Keeps the mirror's handles from being given up while one is used outside the gate. Taken before the gate.
    pub(super) fn use_handles(&self) -> RwLockReadGuard<'_, ()> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no handle is used outside the gate. Taken before the gate.
    pub(super) fn own_handles(&self) -> RwLockWriteGuard<'_, ()> {
        self.handles.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything was recorded since it was opened.
    pub(super) fn has_committed(&self) -> bool {
        self.catalog().sequence() != self.first_sequence
    }

    /// A write ended there.
    pub(super) fn note_written(&self, end: u64) {
        // A look first: writers share this number.
        if self.written_end.load(Ordering::Acquire) < end {
            self.written_end.fetch_max(end, Ordering::AcqRel);
        }
    }

    /// Whether its catalog takes what must be durable before a write.
    pub fn is_logged(&self) -> bool {
        self.logged.load(Ordering::Acquire)
    }

    pub(super) fn set_logged(&self, logged: bool) {
        self.logged.store(logged, Ordering::Release);
    }

    /// Whether the marks are those of an unclean close: complete, and more than what differs.
    pub fn is_recovered(&self) -> bool {
        self.recovered.load(Ordering::Acquire)
    }

    /// Says where the marks are from.
    pub fn set_recovered(&self, recovered: bool) {
        self.recovered.store(recovered, Ordering::Release);
    }

    /// It is copied from until the result is dropped: it must stay as it is.
    pub fn lend(self: &Arc<Self>) -> Lent {
        self.lent.fetch_add(1, Ordering::AcqRel);
        Lent(Arc::clone(self))
    }

    /// Nobody begins to look at it until the result is dropped; the caller has closed the gate.
    pub(super) fn hide(self: &Arc<Self>) -> Unseen {
        self.unseen.store(true, Ordering::Release);
        Unseen(Arc::clone(self))
    }

    /// Whether somebody may begin to look at it, for which the gate is held.
    pub(super) fn is_seen(&self) -> bool {
        !self.unseen.load(Ordering::Acquire)
    }

    /// Whether it is copied from.
    pub fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Acquire) > 0
    }

    /// Takes it for a pair object; `false` when another one has it.
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    pub(super) fn unclaim(&self) {
        self.claimed.store(false, Ordering::Release);
    }

    pub(super) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }
}
