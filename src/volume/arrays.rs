//! Arrays: the source's bytes as memory of the program's. A store into it goes round the volume, so:
//!
//! | when | what |
//! |---|---|
//! | before the memory is handed out | a session has begun, its blocks are allocated, and the whole range is recorded, durably, in every catalog: after a crash any of it may differ |
//! | while it is out | [`Volume::collect`] finds what was stored and does with it what a write does (`collect`) |
//! | when it is given back | the last stores are collected |
//! | at a close | the record of the range is withdrawn, unless memory is still out: then the close is no clean one |

use std::sync::Arc;

use super::{Leg, Volume, unpoisoned};
use crate::area::{Host, Kind, Mapping, Order, Stamp, StoreTracking};
use crate::catalog::Record;
use crate::error::Result;
use crate::state::Reason;
use crate::units::{Extent, merged};

/// A multiple of every page size that Linux has on the machines this runs on.
const MAPPED_UNIT: u64 = 65536;
/// So many ranges fit into a record; more become one that holds them all.
const RANGES_MAX: usize = 16;

/// What of a source is handed out, for people.
#[derive(Debug, Clone, Copy)]
pub struct HandedOut {
    /// Mappings.
    pub views: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Whether the kernel finds every store.
    pub tracked: bool,
}

impl Record {
    /// A session is open: after a crash what it says of the log and of the ranges that are handed out counts.
    pub(super) fn open_session(&mut self, generation: u64, handed_out: &[Extent]) {
        self.open_for_writing = true;
        self.clean = None;
        self.intents = generation;
        self.handed_out = handed_out.to_vec();
    }
}

impl Volume {
    /// The source's writable mappings, whoever made them: one may have outlived an earlier volume of the source.
    pub(super) fn mappings(&self) -> Result<Vec<Arc<dyn Mapping>>> {
        let source = self.look(|phase| phase.source.clone());
        source.map_or(Ok(Vec::new()), |source| source.reader().mappings())
    }

    /// What of the source is handed out; `None`: nothing.
    pub fn handed_out(&self) -> Result<Option<HandedOut>> {
        let mappings = self.mappings()?;
        let bytes = mappings.iter().map(|mapping| mapping.extent().length).sum();
        let tracked = mappings.iter().all(|mapping| mapping.is_tracked());
        let views = mappings.len() as u64;
        Ok((views > 0).then_some(HandedOut { views, bytes, tracked }))
    }

    /// Whether stores are possible that no scan finds.
    pub fn has_untracked(&self) -> bool {
        // Not being able to ask is not an answer.
        self.mappings()
            .map_or(true, |mappings| mappings.iter().any(|mapping| !mapping.is_tracked()))
    }

    /// Where the last byte ends that is handed out.
    pub fn handed_out_end(&self) -> Result<u64> {
        let length = self.source()?.reader().length()?;
        let ends = self.mappings()?.into_iter().map(|mapping| mapping.extent().end());
        // The last page may reach beyond the end of the file.
        Ok(ends.map(|end| if end >= length { end.min(length) } else { end }).max().unwrap_or(0))
    }

    /// The ranges that are handed out, as the catalogs are to have them. Takes the gate, so the caller holds no catalog.
    pub(super) fn recorded_ranges(&self) -> Vec<Extent> {
        // Memory that has outlived an earlier volume of this source too. What cannot be asked was recorded by that one.
        let outlived = self.mappings().unwrap_or_default();
        let mut known = unpoisoned(&self.handed_out);
        *known = few(known.iter().copied().chain(outlived.iter().map(|mapping| mapping.extent())));
        known.clone()
    }

    /// Maps part of the source as memory that may be written at any time from then on. `periodic`: what is stored
    /// reaches the mirrors by and by, not only when something asks for it. The caller keeps restores from beginning.
    pub fn hand_out(
        &self,
        extent: Extent,
        tracking: StoreTracking,
        periodic: bool,
    ) -> Result<Arc<dyn Mapping>> {
        let source = self.source()?;
        let writer = source.writer()?;
        let start = extent.offset - extent.offset % MAPPED_UNIT;
        let whole = Extent::between(start, extent.end().next_multiple_of(MAPPED_UNIT));
        self.begin_session()?;
        let length = source.reader().length()?;
        if source.reader().kind() == Kind::File {
            // A store into a hole needs room, and cannot report that there is none.
            writer.reserve(whole.intersect(Extent::new(0, length)))?;
        }
        self.record_range(whole)?;
        self.look(|phase| {
            self.unsynced.make_room(self.unit.count(length));
            for attached in &phase.legs {
                attached.leg.dirty().make_room(attached.leg.block_size().count(length));
            }
        });
        let mapping = writer.map(whole, tracking)?;
        if periodic {
            self.mirror_periodically();
        }
        Ok(mapping)
    }

    /// After a crash any byte of the range may differ: every catalog says so before the first store can happen.
    fn record_range(&self, range: Extent) -> Result<()> {
        let _turn = unpoisoned(&self.changing);
        let known = self.recorded_ranges();
        let ranges = few(known.iter().copied().chain([range]));
        if ranges == known {
            return Ok(());
        }
        unpoisoned(&self.handed_out).clone_from(&ranges);
        if !self.host.keeps(Order::RangeRecordedBeforeStore) {
            return Ok(());
        }
        for leg in self.legs().iter().filter(|leg| leg.is_logged()) {
            let committed = leg.catalog().commit(|record| record.handed_out.clone_from(&ranges));
            if let Err(error) = committed {
                if self.look(|phase| phase.restore_of(leg).is_some()) {
                    return Err(error);
                }
                self.give_up(leg, &error);
            }
        }
        if self.legs().iter().any(|leg| !leg.is_logged()) {
            self.raise_epoch(false)?;
        }
        Ok(())
    }

    /// Blocks that are given room again: a restore, or a discard, may have made holes under memory that is handed out.
    pub fn reserve_handed_out(&self) {
        let reserve = || -> Result<()> {
            let source = self.source()?;
            let all = Extent::new(0, source.reader().length()?);
            if source.reader().kind() != Kind::File {
                return Ok(());
            }
            let mappings = self.mappings()?;
            mappings
                .iter()
                .try_for_each(|mapping| source.writer()?.reserve(mapping.extent().intersect(all)))
        };
        if let Err(error) = reserve() {
            log::warn!(target: "splitmirror.volume", "a store into an array may meet a full disk: {error}");
        }
    }

    /// The program gives memory back: nothing is stored into it any more.
    pub(super) fn take_back(&self, mapping: Arc<dyn Mapping>) -> Result<()> {
        let untracked = !mapping.is_tracked();
        let collected = match self.host.keeps(Order::StoresCollectedBeforeGivenBack) {
            true => self.collect(),
            false => Ok(0),
        };
        if untracked {
            // Which of the blocks were stored into is not known; a mirror that follows was compared just now.
            for leg in self.legs() {
                if self.look_at(&leg, |side| side.followed().is_none()) {
                    leg.belief().lose(Reason::Compare);
                }
            }
        }
        drop(mapping);
        collected.map(drop)
    }
}

/// As few ranges as a record has room for, which hold all of these.
fn few(ranges: impl Iterator<Item = Extent>) -> Vec<Extent> {
    let all = merged(ranges.collect());
    match all.as_slice() {
        [first, .., last] if all.len() > RANGES_MAX => {
            vec![Extent::between(first.offset, last.end())]
        }
        _ => all,
    }
}

impl Leg {
    /// All that was handed out may differ in this mirror.
    pub(super) fn mark_ranges(&self, ranges: &[Extent]) {
        ranges.iter().for_each(|range| self.mark(*range));
    }
}

/// The program gives memory back, with the volume that its file is the source of by now: the one that handed it out may
/// have ended.
pub fn take_back(host: &dyn Host, source: &Stamp, mapping: Arc<dyn Mapping>) -> Result<()> {
    match super::registry::volume_of(host, source) {
        Some(volume) => volume.take_back(mapping),
        None => Ok(()),
    }
}
