//! The receipt of a restore: what was done, and the proof that the mirror was not touched.

use std::path::Path;
use std::time::Instant;

use uuid::Uuid;

use super::Pair;
use super::provenance::Provenance;
use super::report::{CopyReport, EXTENTS_MAX, PairNow, Receipt, outside_writes};
use crate::area::Stamp;
use crate::engine::{CopyPlan, CopyStats};
use crate::error::{Error, Result, shown};
use crate::units::Extent;

/// What the receipt compares afterwards.
pub(super) struct Before {
    stamp: Stamp,
    root: Option<String>,
    length: Option<u64>,
    begun: Instant,
}

/// What a restore did.
pub(super) struct Done<'a> {
    pub(super) plan: &'a CopyPlan,
    pub(super) stats: CopyStats,
    pub(super) to: Option<&'a Path>,
    pub(super) restore: Option<(Uuid, Provenance)>,
    pub(super) length_after: u64,
    pub(super) suspected: bool,
    pub(super) unrestored: Vec<Extent>,
    pub(super) complete: bool,
    pub(super) resumed: bool,
}

impl Pair {
    /// The mirror and the source before a restore that began at `begun`.
    pub(super) fn before(&self, begun: Instant) -> Result<Before> {
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let length =
            self.volume.source().ok().map(|source| source.reader().length()).transpose()?;
        Ok(Before { stamp: mirror.stamp()?, root: self.root_now()?, length, begun })
    }

    /// The root digest of the seal as it is stored now. Together with the check of every block that was copied it
    /// says that what was restored is what was sealed; `scrub` reads the rest of the mirror too.
    fn root_now(&self) -> Result<Option<String>> {
        self.leg.forget_seal();
        Ok(self.leg.seal()?.map(|seal| seal.root()))
    }

    /// Looks at the mirror again and writes the receipt, into the history too.
    pub(super) fn receipt(&self, before: &Before, done: Done<'_>) -> Result<Receipt> {
        let after = self.before(before.begun)?;
        let seconds = before.begun.elapsed().as_secs_f64();
        let catalog = self.leg.catalog();
        let record = catalog.record();
        let receipt = Receipt {
            pair: PairNow::of("receipt", record),
            generation: record.generation,
            label: record.point.as_ref().and_then(|point| point.label.clone()),
            source: shown(self.source_path()),
            to: done.to.map(shown),
            copy: CopyReport::of(
                done.plan,
                done.stats,
                self.leg.block_size(),
                record.length,
                seconds,
            ),
            blocks_app_written: done.restore.as_ref().map_or(0, |(_, found)| found.app_written),
            restore_id: done.restore.as_ref().map(|(id, _)| id.to_string()),
            block_size: self.leg.block_size().bytes(),
            provenance: done.restore.map(|(_, found)| found.runs).unwrap_or_default(),
            length_before: if done.to.is_none() { before.length } else { None },
            length_after: done.length_after,
            mirror_stamp_before: before.stamp.into(),
            mirror_stamp_after: after.stamp.into(),
            mirror_unchanged: after.stamp.same_content(&before.stamp) && after.root == before.root,
            root_before: before.root.clone(),
            root_after: after.root,
            outside_writes: outside_writes(done.suspected),
            complete: done.complete,
            unrestored: done.unrestored.into_iter().take(EXTENTS_MAX).collect(),
            resumed: done.resumed,
        };
        let event = if done.to.is_some() { "restore-to" } else { "restore" };
        // The history is for people: it keeps the numbers, not each block.
        let brief = Receipt { provenance: Vec::new(), ..receipt.clone() };
        catalog.note(event, serde_json::to_value(&brief).unwrap_or_default());
        Ok(receipt)
    }
}
