//! Locks on stripes of the area: writes of one place, and the copier, take turns (I3).

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::stripe_bytes;
use crate::units::{BlockSize, Extent};

/// Stripes share this many locks; two far places that meet on one only wait for each other.
const LOCKS: usize = 256;

#[derive(Debug)]
pub(super) struct Stripes {
    locks: Vec<Mutex<()>>,
    bytes: u64,
}

impl Stripes {
    pub(super) fn new(block: BlockSize) -> Self {
        Self { locks: (0..LOCKS).map(|_| Mutex::new(())).collect(), bytes: stripe_bytes(block) }
    }

    /// Cuts an extent so that each part lies in one stripe.
    pub(super) fn pieces(&self, extent: Extent) -> impl Iterator<Item = Extent> + use<> {
        extent.pieces(self.bytes)
    }

    /// Locks the stripe that a piece lies in.
    pub(super) fn lock(&self, piece: Extent) -> MutexGuard<'_, ()> {
        let index = (piece.offset / self.bytes) as usize % LOCKS;
        #[expect(
            clippy::indexing_slicing,
            reason = "the index is taken modulo the fixed number of locks"
        )]
        self.locks[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
