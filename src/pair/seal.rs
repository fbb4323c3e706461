//! `seal` and `scrub`: the digests of a split mirror, and whether they still hold.

use std::time::Instant;

use super::Pair;
use super::report::{EXTENTS_MAX, PairNow, ScrubReport, SealReport};
use crate::area::Reader;
use crate::catalog::{Digest, Seal};
use crate::engine::{Control, Pool, block_digests};
use crate::error::{Error, Result};
use crate::state::{Condition, Verb};
use crate::units::{BlockRun, BlockSize, Extent, merged};

impl Pair {
    /// Digests every block of the split mirror; from then on each is checked before it is used.
    pub fn seal(&self, accept: &[String], control: &Control) -> Result<SealReport> {
        let begun = Instant::now();
        let _entered = self.enter(Verb::Seal, "sealing", false)?;
        self.check_guards(Verb::Seal, accept)?;
        let found = self.digested(control, "seal() begins anew")?;
        let root = found.root();
        let blocks = found.digests.len() as u64;
        let mut catalog = self.leg.catalog();
        // An interruption between the two leaves a root that the new file does not have only if the mirror was
        // changed, for the digests of unchanged bytes are the same.
        catalog.write_seal(&found)?;
        catalog.commit(|record| {
            if let Some(point) = record.point.as_mut() {
                point.root = Some(root.clone());
            }
        })?;
        let record = catalog.record();
        let report = SealReport {
            pair: PairNow::of("seal", record),
            generation: record.generation,
            root,
            blocks,
            bytes: found.length,
            seconds: begun.elapsed().as_secs_f64(),
        };
        catalog.note("seal", serde_json::to_value(&report).unwrap_or_default());
        drop(catalog);
        self.leg.forget_seal();
        Ok(report)
    }

    /// Reads the whole mirror and compares it with its seal. One that holds clears `mirror-skewed`.
    pub fn scrub(&self, control: &Control) -> Result<ScrubReport> {
        let _entered = self.enter(Verb::Scrub, "sealing", false)?;
        self.scrub_entered(control)
    }

    pub(super) fn scrub_entered(&self, control: &Control) -> Result<ScrubReport> {
        let begun = Instant::now();
        let seal = self.leg.seal()?.ok_or(Error::NotSealed)?;
        let stamp = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?.stamp()?;
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let bad = broken_blocks(&mirror, &seal, self.volume.pool(), control)?
            .ok_or_else(|| self.cancelled("scrub() begins anew"))?;
        let blocks_bad = bad.len() as u64;
        let intact = bad.is_empty();
        let mut catalog = self.leg.catalog();
        if intact == catalog.record().conditions.has(Condition::MirrorSkewed) {
            catalog.commit(|record| {
                if intact {
                    record.conditions.clear(Condition::MirrorSkewed);
                    record.mirror.stamp = stamp;
                } else {
                    record.conditions.set(Condition::MirrorSkewed);
                }
            })?;
        }
        let record = catalog.record();
        let report = ScrubReport {
            pair: PairNow::of("scrub", record),
            generation: record.generation,
            intact,
            root: seal.root(),
            blocks_bad,
            bad: merged(bad).into_iter().take(EXTENTS_MAX).collect(),
            blocks: seal.digests.len() as u64,
            bytes: seal.length,
            seconds: begun.elapsed().as_secs_f64(),
        };
        catalog.note("scrub", serde_json::json!({"intact": intact, "blocks_bad": blocks_bad}));
        Ok(report)
    }

    fn digested(&self, control: &Control, next: &str) -> Result<Seal> {
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let length = self.leg.catalog().record().length;
        let (block_size, pool) = (self.leg.block_size(), self.volume.pool());
        match digests(&mirror, length, block_size, pool, control)? {
            Some(digests) => Ok(Seal { block_size, length, digests }),
            None => Err(self.cancelled(next)),
        }
    }
}

/// The digests of an area that must have all of `length` bytes; `None` when it was cancelled.
fn digests(
    area: &Reader,
    length: u64,
    size: BlockSize,
    pool: &Pool,
    control: &Control,
) -> Result<Option<Vec<Digest>>> {
    let found = area.length()?;
    if found < length {
        return Err(Error::TooSmall {
            path: area.path().to_path_buf(),
            length: found,
            needed: length,
        });
    }
    block_digests(area, length, size, pool, control)
}

/// The blocks of an area that are not what was sealed, one extent each; `None` when it was cancelled.
pub(super) fn broken_blocks(
    area: &Reader,
    seal: &Seal,
    pool: &Pool,
    control: &Control,
) -> Result<Option<Vec<Extent>>> {
    let Some(found) = digests(area, seal.length, seal.block_size, pool, control)? else {
        return Ok(None);
    };
    let differing =
        (0u64..).zip(seal.digests.iter().zip(&found)).filter(|(_, (old, new))| old != new);
    let extent = |block| seal.block_size.extent(BlockRun { first: block, count: 1 }, seal.length);
    Ok(Some(differing.map(|(block, _)| extent(block)).collect()))
}
