//! Locks on stripes of the area: writes of one place, and the copiers, take turns (I3).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::{Held, PIECE_BYTES};
use crate::units::{BlockSize, Extent};

/// Stripes share this many locks; two far places that meet on one only wait for each other.
const LOCKS: u64 = 256;

#[derive(Debug)]
pub(super) struct Stripes {
    locks: Vec<Mutex<()>>,
    /// What is locked as a whole: a stripe, or the largest block of any mirror where that is larger.
    unit: AtomicU64,
}

impl Stripes {
    pub(super) fn new() -> Self {
        let locks = (0..LOCKS).map(|_| Mutex::new(())).collect();
        Self { locks, unit: AtomicU64::new(PIECE_BYTES) }
    }

    /// From here on, blocks of this size are locked as a whole. No write is under way; a copier that is has its
    /// stripes locked, and they are among those that a larger unit locks.
    pub(super) fn widen(&self, block: BlockSize) {
        self.unit.fetch_max(block.bytes(), Ordering::AcqRel);
    }

    /// Cuts an extent so that each part lies in one unit.
    pub(super) fn pieces(&self, extent: Extent) -> impl Iterator<Item = Extent> + use<> {
        extent.pieces(self.unit.load(Ordering::Acquire))
    }

    /// Locks the unit that a piece lies in.
    pub(super) fn lock(&self, piece: Extent) -> Held<'_> {
        let unit = self.unit.load(Ordering::Acquire);
        let stripe = piece.offset / unit * (unit / PIECE_BYTES);
        if unit == PIECE_BYTES {
            return Held::One(self.at(stripe % LOCKS));
        }
        // In the order of the locks, whatever the order of the stripes that share them.
        let mut numbers: Vec<u64> =
            (stripe..stripe + unit / PIECE_BYTES).map(|s| s % LOCKS).collect();
        numbers.sort_unstable();
        Held::Several(numbers.into_iter().map(|number| self.at(number)).collect())
    }

    fn at(&self, number: u64) -> MutexGuard<'_, ()> {
        #[expect(
            clippy::indexing_slicing,
            reason = "the number is taken modulo the fixed number of locks"
        )]
        self.locks[number as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
