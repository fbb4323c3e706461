//! A mirror leaves: data first, then the clean mark that lets the next open believe what was tracked. The volume ends
//! with the last pair object that has one of its mirrors; until then a mirror that nobody has is mirrored on.

use std::sync::Arc;

use super::registry::open_volumes;
use super::{Leg, Phase, Side, Source, Volume, unpoisoned};
use crate::area::Order;
use crate::catalog::{CleanMark, Epoch, MapKind};
use crate::error::Result;
use crate::state::{Mode, Reason, State};
use crate::tracker::closed;

impl Volume {
    /// A pair object has no more use for its mirror. What was written is durable when this returns.
    pub fn leave(&self, leg: &Leg) -> Result<()> {
        let last = {
            let mut open = open_volumes();
            leg.unclaim();
            let last = !self.legs().iter().any(|leg| leg.is_claimed());
            if last {
                open.retain(|volume| !std::ptr::eq(volume.as_ptr(), self));
            }
            last
        };
        if last { self.end() } else { self.settle_data() }
    }

    /// The mirror is no part of the volume any more, and nothing is written to it: its catalog is about to go.
    pub fn release(&self, leg: &Arc<Leg>) {
        let _turn = unpoisoned(&self.changing);
        let _handles = leg.own_handles();
        let mut gate = self.close_gate();
        gate.legs.retain(|attached| !attached.leg.is(leg));
        if gate.restore_of(leg).is_some() {
            gate.restore = None;
        }
    }

    /// The other mirrors forget one that was detached.
    pub fn forget(&self) -> Result<()> {
        self.know_each_other()?;
        if let Ok(source) = self.source()
            && source.writer().is_ok()
            && source.reader().mirrors()?.is_some()
        {
            self.list_mirrors(&source);
        }
        Ok(())
    }

    fn settle_data(&self) -> Result<()> {
        if !self.has_session() {
            return Ok(());
        }
        self.flush()
    }

    /// Settles every mirror and lets go of all files and locks: the volume is of no more use.
    fn end(&self) -> Result<()> {
        self.evictor.finish();
        self.mirrorer.finish();
        let data = self.settle_stored().and_then(|()| self.settle_source());
        let mut result = data.clone();
        for leg in self.legs() {
            let settled = if data.is_ok() { self.settle(&leg) } else { Ok(()) };
            // One whose catalog had failed before is told nothing new, and its mirror compares the next time (I8).
            match settled {
                Err(error) if !leg.is_logged() => {
                    log::warn!(target: "splitmirror.volume", "closing {}: {error}", leg.mirror_path().display());
                }
                settled => result = result.and(settled),
            }
        }
        let legs = self.legs();
        *self.close_gate() = Phase::default();
        legs.iter().for_each(|leg| leg.catalog().unlock());
        result
    }

    /// What the program has stored so far; memory that it keeps is stored into without this volume from here on.
    fn settle_stored(&self) -> Result<()> {
        self.collect().map(drop)
    }

    fn settle_source(&self) -> Result<()> {
        if self.has_session() && self.host().keeps(Order::DataSyncedBeforeCleanMark) {
            self.flush()?;
            self.sync_source(true)?;
        }
        Ok(())
    }

    /// Writes the clean mark of one mirror, where anything happened that needs one.
    fn settle(&self, leg: &Arc<Leg>) -> Result<()> {
        let Ok(source) = self.source() else { return Ok(()) };
        let record = leg.catalog().record().clone();
        let stamp = source.stamp()?;
        let valid =
            record.clean.as_ref().is_some_and(|mark| mark.source.same_content(&stamp) && mark.sole);
        if valid && !leg.has_committed() && !self.has_session() {
            return Ok(());
        }
        if self.host().keeps(Order::DataSyncedBeforeCleanMark) {
            self.sync_mirror(leg)?;
        }
        let mirror_stamp = self
            .look_at(leg, |side| side.writer().map(|mirror| mirror.reader().stamp()))
            .transpose()?;
        // Memory that is still out may be stored into at any time: that close is no clean one.
        let held = !source.reader().mappings()?.is_empty()
            && self.host().keeps(Order::CleanMarkAfterGivenBack);
        let clean = if held { None } else { self.clean_mark(leg, &source)? };
        // What the mirror holds, which is not what the source has by now when others cut or lengthened it.
        let length = match self.look_at(leg, Side::clone) {
            Side::Synchronized(mirror) => Some(self.content_length(leg, &mirror.reader())?),
            _ => None,
        };
        let epoch = source.epoch_seen(record.volume_id, record.epoch);
        leg.catalog().commit_with(&[(MapKind::Dirty, &[leg.dirty()])], |record| {
            record.conditions.note(record.state, leg.belief().lost());
            record.clean = clean;
            if !held {
                record.open_for_writing = false;
                record.intents = 0;
                record.handed_out = Vec::new();
            }
            record.epoch = Epoch { current: epoch, next: None };
            if let Some(stamp) = mirror_stamp {
                record.mirror.stamp = stamp;
            }
            if let (Some(length), State::Synchronized) = (length, record.state) {
                record.length = length;
            }
        })
    }

    /// The mark, once the source's times have settled. None when the tracking is not believed anyway.
    fn clean_mark(&self, leg: &Leg, source: &Source) -> Result<Option<CleanMark>> {
        let host = self.host();
        host.wait_ns(closed::unsettled_ns(&source.stamp()?, host.now_ns()));
        // First whether anybody is there, then the stamp: who comes in between changes the stamp later.
        let sole = source.tracker().alone() && source.reader().times_tell();
        let stamp = source.stamp()?;
        // Somebody who has it open now may write it after the mark: that is what the mark then says.
        let doubt = leg.doubt(source);
        let sole = sole && doubt.is_none();
        let doubted = doubt.is_some_and(|reason| reason != Reason::UncleanTracker);
        let exclusive = leg.mode() == Mode::Exclusive;
        let now = host.now_ns();
        if doubted || !(exclusive || closed::settled(&stamp, now)) {
            return Ok(None);
        }
        Ok(Some(CleanMark { boot_id: host.boot_id(), at_ns: now, source: stamp, sole }))
    }
}
