//! Collecting: what the program has stored through its mappings is found, and goes to the mirrors as a write does: to
//! those that follow the source, and as a mark in the others.
//!
//! A scan watches the pages that it reports anew, and only then are they read: a store that comes meanwhile is found by
//! the next scan, so the last version of a page always gets there. It reads the file, never the memory: where somebody
//! has cut it that is an error and not the end of the program (I9).
//!
//! A batch, a scan with what it found, is one turn at the gate: whoever closes it meets no page that was taken from the
//! kernel and has not reached the mirrors yet. Where the kernel does not track, the mapped range is compared instead,
//! and the mirrors that do not follow are not believed as long as the memory is out (`Pair::doubt`).

use std::sync::{Arc, MutexGuard};

use super::write::{Change, Lost, mirror_piece};
use super::{Gate, Phase, Side, Source, Volume, unpoisoned};
use crate::area::{Mapping, Order};
use crate::engine::differing_pages;
use crate::error::{Error, Result};
use crate::state::Reason;
use crate::units::{Extent, PAGE_BYTES};

/// How often the program may store something while a point is taken, before the point is called fuzzy.
const ROUNDS: usize = 8;
/// So much is compared in one turn at the gate.
const COMPARED_BYTES: u64 = 4 << 20;

/// What the program's stores mean for a point that is being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stirred {
    /// Nothing was stored since the last collection.
    No,
    /// Something was, and then there was an instant at which both sides were the same.
    Before,
    /// There was no such instant, or nobody can tell.
    Still,
}

impl Volume {
    /// Brings what the program stored since the last call to where a write would have brought it; how many bytes were
    /// found. An error is the source's: all that was found is then marked.
    pub fn collect(&self) -> Result<u64> {
        let mappings = self.mappings()?;
        if mappings.is_empty() {
            return Ok(0);
        }
        let _turn = self.collecting()?;
        let mut found = self.collect_scanned(&mappings)?;
        for mapping in mappings.iter().filter(|mapping| !mapping.is_tracked()) {
            self.disbelieve_lost(&**mapping);
            found += self.collect_differences(mapping.extent())?;
        }
        self.mirrorer.collected();
        Ok(found)
    }

    /// As [`Volume::collect`], where that needs no comparing.
    pub(super) fn collect_tracked(&self) -> Result<u64> {
        let mappings = self.mappings()?;
        let _turn = self.collecting()?;
        let found = self.collect_scanned(&mappings)?;
        if mappings.iter().all(|mapping| mapping.is_tracked()) {
            self.mirrorer.collected();
        }
        Ok(found)
    }

    /// One at a time: who finds nothing may say that all is mirrored.
    fn collecting(&self) -> Result<MutexGuard<'_, ()>> {
        // Memory that outlived another volume of this source: this one has a session too from here on.
        self.begin_session()?;
        Ok(unpoisoned(&self.collecting))
    }

    fn collect_scanned(&self, mappings: &[Arc<dyn Mapping>]) -> Result<u64> {
        let tracked = mappings.iter().filter(|mapping| mapping.is_tracked());
        tracked.map(|mapping| self.collect_pages(&**mapping)).sum()
    }

    fn disbelieve_lost(&self, mapping: &dyn Mapping) {
        self.look(|phase| disbelieve_lost(phase, mapping));
    }

    fn collect_pages(&self, mapping: &dyn Mapping) -> Result<u64> {
        let mut found = 0;
        let mut from = Some(mapping.extent().offset);
        while let Some(at) = from {
            let mut lost = Lost::new();
            let batch = {
                let gate = self.gate();
                self.collect_batch(&gate, mapping, at, &mut lost)
            };
            self.shut_out(lost)?;
            let (bytes, next) =
                batch.map_err(|(extent, error)| self.source_failed(extent, error))?;
            found += bytes;
            from = next;
        }
        Ok(found)
    }

    fn shut_out(&self, lost: Lost) -> Result<()> {
        lost.into_iter().try_for_each(|(leg, error)| self.mirror_failed(&leg, error))
    }

    /// One scan, and what it found. An error is the source's, and where.
    fn collect_batch(
        &self,
        phase: &Phase,
        mapping: &dyn Mapping,
        from: u64,
        lost: &mut Lost,
    ) -> Result<(u64, Option<u64>), (Extent, Error)> {
        let Some(source) = &phase.source else { return Ok((0, None)) };
        let length = source.reader().length().map_err(|error| (mapping.extent(), error))?;
        let end = Extent::new(0, length);
        let scanned = match mapping.scan(from) {
            Ok(scanned) => scanned,
            Err(error) => {
                // Not the source's fault. It is not tracked any more from here on, and says so.
                log::error!(target: "splitmirror.volume", "stores are not tracked any more: {error}");
                return Ok((0, None));
            }
        };
        let mut failed = None;
        let mut found = 0;
        for pages in scanned.pages.iter().map(|pages| pages.intersect(end)) {
            found += pages.length;
            for piece in self.stripes.pieces(pages) {
                let error = self.follow_stores(phase, source, piece, failed.is_some(), lost).err();
                failed = failed.or(error.map(|error| (piece, error)));
            }
            self.unsynced.publish(self.unit.touching(pages));
            phase.legs.iter().for_each(|attached| attached.leg.note_written(pages.end()));
        }
        failed.map_or(Ok((found, scanned.next)), Err)
    }

    /// What was stored in a piece of the source. `mark_only`: the source failed in this batch, and no mirror gets any
    /// more of it.
    fn follow_stores(
        &self,
        phase: &Phase,
        source: &Source,
        piece: Extent,
        mark_only: bool,
        lost: &mut Lost,
    ) -> Result<()> {
        let _held = self.stripes.lock(piece);
        let follows = |side: &Side| side.followed().is_some() && !mark_only;
        for attached in &phase.legs {
            if !follows(&attached.side) && self.host.keeps(Order::MarkBeforeWrite) {
                attached.leg.mark(piece);
            }
        }
        if let Some(running) = &phase.restore {
            running.restore.stored(piece);
        }
        if !phase.legs.iter().any(|attached| follows(&attached.side)) {
            return Ok(());
        }
        let mut bytes = vec![0u8; piece.length as usize];
        let read = source.reader().read_at(&mut bytes, piece.offset).inspect_err(|_| {
            phase.legs.iter().for_each(|attached| attached.leg.mark(piece));
        })?;
        bytes.truncate(read);
        mirror_piece(phase, Change::Write(&bytes), Extent::new(piece.offset, read as u64), lost);
        Ok(())
    }

    /// Where stores are not tracked: the mirrors that follow get what differs.
    fn collect_differences(&self, range: Extent) -> Result<u64> {
        let mut found = 0;
        for part in range.pieces(COMPARED_BYTES) {
            let mut lost = Lost::new();
            let compared = {
                let gate = self.gate();
                self.compare_part(&gate, part, &mut lost)
            };
            self.shut_out(lost)?;
            found += compared.map_err(|error| self.source_failed(part, error))?;
        }
        Ok(found)
    }

    fn compare_part(&self, phase: &Phase, part: Extent, lost: &mut Lost) -> Result<u64> {
        let Some(source) = &phase.source else { return Ok(0) };
        let end = Extent::new(0, source.reader().length()?);
        let mut found = 0;
        for piece in self.stripes.pieces(part.intersect(end)) {
            let _held = self.stripes.lock(piece);
            for attached in &phase.legs {
                if let Side::Synchronized(mirror) = &attached.side {
                    let differing = differences(source, &mirror.reader(), piece)?;
                    for (extent, bytes) in differing {
                        found += extent.length;
                        if let Err(error) = mirror.write_at(&bytes, extent.offset) {
                            attached.leg.mark(piece);
                            lost.push((Arc::clone(&attached.leg), error));
                            break;
                        }
                        self.unsynced.publish(self.unit.touching(extent));
                    }
                }
            }
        }
        Ok(found)
    }

    /// As [`Volume::collect`], by whoever has closed the gate: until a scan finds nothing, which is the instant at which
    /// the mirrors that follow equal the source.
    fn collect_closed(
        &self,
        phase: &Phase,
        mappings: &[Arc<dyn Mapping>],
        lost: &mut Lost,
    ) -> Result<Stirred, (Extent, Error)> {
        for round in 0..ROUNDS {
            let mut found = 0;
            for mapping in mappings.iter().filter(|mapping| mapping.is_tracked()) {
                let mut from = Some(mapping.extent().offset);
                while let Some(at) = from {
                    let (bytes, next) = self.collect_batch(phase, &**mapping, at, lost)?;
                    found += bytes;
                    from = next;
                }
            }
            // After the scans: one that failed has found nothing either.
            let untracked = mappings.iter().any(|mapping| !mapping.is_tracked());
            match (found, round) {
                _ if untracked => return Ok(Stirred::Still),
                (0, 0) => return Ok(Stirred::No),
                (0, _) => return Ok(Stirred::Before),
                _ => {}
            }
        }
        Ok(Stirred::Still)
    }

    /// Closes the gate at an instant at which nothing is stored that the mirrors have not got, if there is one.
    pub(super) fn close_gate_at_rest(&self) -> Result<(Gate<'_>, Stirred)> {
        loop {
            let mappings = self.mappings()?;
            // Whoever collects without the gate has brought what it found to the mirrors.
            let turn = unpoisoned(&self.collecting);
            let gate = self.close_gate();
            let mut lost = Lost::new();
            let collected = self.collect_closed(&gate, &mappings, &mut lost);
            mappings.iter().for_each(|mapping| disbelieve_lost(&gate, &**mapping));
            if lost.is_empty()
                && let Ok(stirred) = collected
            {
                return Ok((gate, stirred));
            }
            drop((gate, turn));
            self.shut_out(lost)?;
            collected.map_err(|(extent, error)| self.source_failed(extent, error))?;
        }
    }

    /// What is stored into memory that is handed out is on stable storage, and in the mirrors that follow, so far.
    pub fn settle_stores(&self) -> Result<()> {
        if self.handed_out()?.is_none() { Ok(()) } else { self.flush() }
    }
}

/// The pages of a piece in which the mirror differs, with the source's bytes.
fn differences(
    source: &Source,
    mirror: &crate::area::Reader,
    piece: Extent,
) -> Result<Vec<(Extent, Vec<u8>)>> {
    let mut wanted = vec![0u8; piece.length as usize];
    let read = source.reader().read_at(&mut wanted, piece.offset)?;
    wanted.truncate(read);
    let mut there = vec![0u8; read];
    let known = mirror.read_at(&mut there, piece.offset).unwrap_or(0);
    // What the mirror lacks, or cannot give, is written anew.
    let tail = Extent::between(piece.offset + known as u64, piece.offset + read as u64);
    let common = (wanted.get(..known).unwrap_or_default(), there.get(..known).unwrap_or_default());
    let mut extents = differing_pages(common.0, common.1, piece.offset, PAGE_BYTES);
    extents.extend((!tail.is_empty()).then_some(tail));
    let bytes = |extent: &Extent| {
        let start = (extent.offset - piece.offset) as usize;
        wanted.get(start..start + extent.length as usize).unwrap_or_default().to_vec()
    };
    Ok(extents.iter().map(|extent| (*extent, bytes(extent))).collect())
}

/// A mapping that the kernel does not track any more: which blocks were stored into is not known.
fn disbelieve_lost(phase: &Phase, mapping: &dyn Mapping) {
    if mapping.is_lost() {
        phase.legs.iter().for_each(|attached| attached.leg.belief().lose(Reason::Compare));
    }
}
