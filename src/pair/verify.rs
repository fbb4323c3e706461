//! `verify`: both sides compared, and where a seal allows it, which of them is wrong.

use std::time::Instant;

use super::Pair;
use super::report::{DifferingRange, EXTENTS_MAX, PairNow, VerifyReport};
use crate::area::Reader;
use crate::catalog::Seal;
use crate::engine::{Control, CopyPlan};
use crate::error::Result;
use crate::state::{Condition, Method, Reason, State, Verb};
use crate::units::{BlockRun, Extent, merged, total_bytes};

impl Pair {
    /// Compares source and mirror. `from_medium`: cached pages are dropped first, so that what the storage holds is
    /// read; a source that can be read so is no longer suspect.
    pub fn verify(&self, from_medium: bool, control: &Control) -> Result<VerifyReport> {
        let begun = Instant::now();
        let _entered = self.enter(Verb::Verify, "verifying", false)?;
        let source = self.volume.source()?;
        let mirror = self.mirror_reader()?;
        // Both of one instant, or a write that makes both longer looks like a difference.
        let (source_length, mirror_length) = self.volume.between_writes(|| {
            Ok((source.reader().length()?, self.mirror_content_length(&mirror)?))
        })?;
        if from_medium {
            if source.writer().is_ok() {
                self.volume.sync_source(false)?;
            }
            source.reader().drop_cache();
            mirror.drop_cache();
        }
        let common = source_length.min(mirror_length);
        let plan = CopyPlan {
            reason: Reason::Compare,
            method: Method::Compare,
            extents: vec![Extent::new(0, common)],
            target_length: None,
            covers_all: true,
        };
        let plan =
            plan.without_common_holes(source.reader(), Some(&mirror), self.leg.block_size())?;
        let mut differing = self.volume.differences(&self.leg, &mirror, &plan.extents, control)?;
        if control.is_cancelled() {
            return Err(self.cancelled("verify() begins anew"));
        }
        if source_length != mirror_length {
            differing.push(Extent::between(common, source_length.max(mirror_length)));
        }
        if from_medium {
            self.leg.catalog().commit(|record| {
                record.conditions.clear(Condition::SourceSuspect);
            })?;
        }
        let lengths = (source_length, mirror_length);
        self.verify_report(source.reader(), &mirror, merged(differing), &plan, lengths, begun)
    }

    /// Bytes of the mirror that belong to the pair: a device may be larger.
    fn mirror_content_length(&self, mirror: &Reader) -> Result<u64> {
        let (state, length) = {
            let catalog = self.leg.catalog();
            (catalog.record().state, catalog.record().length)
        };
        if state == State::Synchronized {
            self.volume.content_length(&self.leg, mirror)
        } else {
            Ok(length)
        }
    }

    fn verify_report(
        &self,
        source: &Reader,
        mirror: &Reader,
        differing: Vec<Extent>,
        plan: &CopyPlan,
        (source_length, mirror_length): (u64, u64),
        begun: Instant,
    ) -> Result<VerifyReport> {
        let size = self.leg.block_size();
        let seal = self.leg.seal()?;
        let mut ranges: Vec<DifferingRange> = Vec::new();
        for extent in &differing {
            for block in extent.pieces(size.bytes()) {
                let wrong_side = match &seal {
                    Some(seal) => wrong_side(seal, source, mirror, block)?,
                    None => "unknown",
                };
                match ranges.last_mut() {
                    Some(last)
                        if last.offset + last.length == block.offset
                            && last.wrong_side == wrong_side =>
                    {
                        last.length += block.length;
                    }
                    _ => ranges.push(DifferingRange {
                        offset: block.offset,
                        length: block.length,
                        wrong_side,
                    }),
                }
            }
        }
        let catalog = self.leg.catalog();
        let blocks =
            |extents: &[Extent]| extents.iter().map(|extent| size.touching(*extent).count).sum();
        let report = VerifyReport {
            pair: PairNow::of("verify", catalog.record()),
            matches: differing.is_empty() && source_length == mirror_length,
            ranges_total: ranges.len() as u64,
            differing: ranges.into_iter().take(EXTENTS_MAX).collect(),
            blocks_examined: blocks(&plan.extents),
            blocks_differing: blocks(&differing),
            source_length,
            mirror_length,
            sealed: seal.is_some(),
            seconds: begun.elapsed().as_secs_f64(),
        };
        let detail =
            serde_json::json!({"matches": report.matches, "bytes": total_bytes(&differing)});
        catalog.note("verify", detail);
        Ok(report)
    }
}

/// Which side of a differing block is not what was sealed.
fn wrong_side(
    seal: &Seal,
    source: &Reader,
    mirror: &Reader,
    block: Extent,
) -> Result<&'static str> {
    let size = seal.block_size;
    let index = block.offset / size.bytes();
    let whole = size.extent(BlockRun { first: index, count: 1 }, seal.length);
    let good = |area: &Reader| -> Result<bool> {
        let mut bytes = vec![0u8; whole.length as usize];
        let read = area.read_at(&mut bytes, whole.offset)?;
        Ok(read == bytes.len() && seal.matches(index, &bytes))
    };
    Ok(match (good(source)?, good(mirror)?) {
        (false, true) => "source",
        (true, false) => "mirror",
        (false, false) => "both",
        // Beyond the sealed length: what is there was added to the source.
        (true, true) => "source",
    })
}
