//! Which bits of which words stand for a run of blocks, and how they change.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::BlockRun;

pub(super) const WORD_BITS: u64 = 64;

/// The words that hold blocks of `run`.
pub(super) const fn words_of(run: BlockRun) -> Range<u64> {
    if run.count == 0 {
        return 0..0;
    }
    run.first / WORD_BITS..run.end().div_ceil(WORD_BITS)
}

/// The bits of word `index` that belong to `run`.
pub(super) const fn mask(run: BlockRun, index: u64) -> u64 {
    let start = index * WORD_BITS;
    let first = run.first.saturating_sub(start);
    let end = if run.end() < start + WORD_BITS { run.end() - start } else { WORD_BITS };
    let ones = end - first;
    (if ones == WORD_BITS { u64::MAX } else { (1 << ones) - 1 }) << first
}

/// Sets bits of a word; no store when they are set.
pub(super) fn set_bits(word: &AtomicU64, bits: u64) {
    if word.load(Ordering::Relaxed) & bits != bits {
        word.fetch_or(bits, Ordering::AcqRel);
    }
}

/// Clears bits of a word; no store when they are clear.
pub(super) fn clear_bits(word: &AtomicU64, bits: u64) {
    if word.load(Ordering::Relaxed) & bits != 0 {
        word.fetch_and(!bits, Ordering::AcqRel);
    }
}
