//! A write: to the source always, to each mirror as its side says. A discard goes the same way.

use std::sync::{Arc, MutexGuard};

use super::{Attached, Leg, Phase, Side, Source, Volume, checked, unpoisoned};
use crate::area::{Kind, Order, Writer};
use crate::bitmap::BLOCKS_MAX;
use crate::error::{Error, Result};
use crate::units::{BlockRun, Extent};

/// What is done to an extent.
#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    /// These bytes are put there.
    Write(&'a [u8]),
    /// It reads as zeros from then on, as a hole where the area has holes.
    Discard,
}

/// What has to be done before a change can enter the gate.
enum Need {
    Session,
    Resize,
    Intent,
}

/// Why a change did not reach the source.
enum Fault {
    /// It was not begun: the caller's error.
    Refused(Error),
    /// The source failed: the caller's error too, and the mirrors must not follow.
    Source(Error),
}

/// Mirrors that a change did not reach: ours to deal with.
pub(super) type Lost = Vec<(Arc<Leg>, Error)>;

impl Change<'_> {
    /// The part of it that belongs to `part` of `whole`.
    pub(super) fn part(self, whole: Extent, part: Extent) -> Self {
        match self {
            Self::Write(bytes) => {
                let start = (part.offset - whole.offset) as usize;
                Self::Write(bytes.get(start..start + part.length as usize).unwrap_or_default())
            }
            Self::Discard => Self::Discard,
        }
    }

    pub(super) fn make(self, area: &Writer, extent: Extent) -> Result<()> {
        match self {
            Self::Write(bytes) => area.write_at(bytes, extent.offset),
            Self::Discard => area.discard(extent),
        }
    }
}

impl Volume {
    /// Writes all of `data` at `offset`; a file grows when that lies past its end. The bytes must not change
    /// meanwhile: every side is written from them.
    pub fn write(&self, data: &[u8], offset: u64) -> Result<()> {
        let extent = checked(offset, data.len())?;
        self.change(Change::Write(data), extent)
    }

    pub(super) fn change(&self, change: Change<'_>, extent: Extent) -> Result<()> {
        if extent.is_empty() {
            return Ok(());
        }
        // As much as the intent log has room for at once; nearly always all of it.
        let unit = self.intent.region_bytes() * (self.intent.slots() as u64 / 4);
        if extent.offset / unit == (extent.end() - 1) / unit {
            return self.change_part(change, extent);
        }
        extent.pieces(unit).try_for_each(|part| self.change_part(change.part(extent, part), part))
    }

    fn change_part(&self, change: Change<'_>, extent: Extent) -> Result<()> {
        let (made, lost) = loop {
            let gate = self.gate();
            if let Some(need) = self.need(&gate, extent) {
                drop(gate);
                self.provide(&need, extent)?;
                continue;
            }
            let mut lost = Lost::new();
            let made = if self.host.keeps(Order::DrainBeforeSplit) {
                // The gate stays held through the change: whoever closes it waits for it.
                self.change_all(&gate, change, extent, &mut lost)
            } else {
                let phase = gate.clone();
                drop(gate);
                self.change_all(&phase, change, extent, &mut lost)
            };
            break (made, lost);
        };
        // A mirror that failed costs the caller nothing, as long as it can be shut out.
        let fenced = lost.into_iter().try_for_each(|(leg, error)| self.mirror_failed(&leg, error));
        match made {
            Ok(()) => fenced,
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Source(error)) => Err(self.source_failed(extent, error)),
        }
    }

    fn need(&self, phase: &Phase, extent: Extent) -> Option<Need> {
        let resize = || phase.restore.as_ref().and_then(|running| running.restore.resize());
        if !self.has_session() {
            Some(Need::Session)
        } else if resize().is_some() {
            Some(Need::Resize)
        } else {
            (!self.intent.is_active(extent)).then_some(Need::Intent)
        }
    }

    fn provide(&self, need: &Need, extent: Extent) -> Result<()> {
        match need {
            Need::Session => self.begin_session(),
            Need::Resize => self.apply_resize(),
            Need::Intent => self.log_intent(extent),
        }
    }

    fn change_all(
        &self,
        phase: &Phase,
        change: Change<'_>,
        extent: Extent,
        lost: &mut Lost,
    ) -> Result<(), Fault> {
        let source = phase.source.as_ref().ok_or_else(|| Fault::Refused(self.source_missing()))?;
        let writer = source.writer().map_err(Fault::Refused)?;
        source.tracker().before_own_write();
        let _busy = phase.restore.as_ref().map(|_| self.traffic.enter());
        self.make_room(phase, source, extent).map_err(Fault::Refused)?;
        let _growing = self.clear_gap(phase, source, extent, lost)?;
        let made = self.stripes.pieces(extent).try_for_each(|piece| {
            self.change_piece(phase, writer, change.part(extent, piece), piece, lost)
        });
        // After the bytes: a flush that began before may not have them.
        self.unsynced.publish(self.unit.touching(extent));
        made?;
        if matches!(change, Change::Write(_)) {
            source.tracker().after_own_write(extent.end());
            for attached in &phase.legs {
                attached.leg.note_written(extent.end());
            }
        }
        Ok(())
    }

    /// A file that grows: the new tail, and the gap that is zeros, is marked unless both sides grow alike.
    fn make_room(&self, phase: &Phase, source: &Source, extent: Extent) -> Result<()> {
        let has_room = |leg: &Leg| leg.block_size().count(extent.end()) < leg.dirty().blocks();
        let units = self.unit.count(extent.end());
        if units <= self.unsynced.blocks()
            && phase.legs.iter().all(|attached| has_room(&attached.leg))
        {
            return Ok(());
        }
        let length = source.reader().length()?;
        if source.reader().kind() == Kind::Device && extent.end() > length {
            return Err(Error::Range {
                offset: extent.offset,
                length: extent.length,
                limit: length,
            });
        }
        let limit = phase.legs.iter().map(|attached| attached.leg.block_size()).min();
        let limit = BLOCKS_MAX * limit.unwrap_or(self.unit).bytes();
        if extent.end() > limit {
            return Err(Error::Range { offset: extent.offset, length: extent.length, limit });
        }
        self.unsynced.make_room(units);
        for Attached { leg, side } in &phase.legs {
            let size = leg.block_size();
            let needed = size.count(extent.end());
            if needed > leg.dirty().blocks() {
                leg.dirty().make_room(needed);
                if side.followed().is_none() {
                    leg.dirty().set(BlockRun::between(length / size.bytes(), needed));
                }
            }
        }
        Ok(())
    }

    /// A file that grows past its end has zeros in the gap; a device that mirrors it still has what was there before.
    /// Writes that make the file longer take turns then, or one would clear what another has just written.
    fn clear_gap(
        &self,
        phase: &Phase,
        source: &Source,
        extent: Extent,
        lost: &mut Lost,
    ) -> Result<Option<MutexGuard<'_, ()>>, Fault> {
        let on_device = |attached: &&Attached| {
            attached.side.followed().is_some_and(|mirror| mirror.reader().kind() == Kind::Device)
        };
        let length = || source.reader().length().map_err(Fault::Refused);
        if source.reader().kind() != Kind::File
            || !phase.legs.iter().any(|attached| on_device(&attached))
            || extent.end() <= length()?
        {
            return Ok(None);
        }
        let growing = unpoisoned(&self.growing);
        let gap = Extent::between(length()?, extent.offset);
        for Attached { leg, side } in phase.legs.iter().filter(on_device) {
            if let (Some(mirror), false) = (side.followed(), gap.is_empty())
                && let Err(error) = mirror.discard(gap)
            {
                leg.mark(gap);
                lost.push((Arc::clone(leg), error));
            }
        }
        Ok(Some(growing))
    }

    /// Marks first, then the source, then the mirrors that follow it.
    fn change_piece(
        &self,
        phase: &Phase,
        source: &Writer,
        change: Change<'_>,
        piece: Extent,
        lost: &mut Lost,
    ) -> Result<(), Fault> {
        let _held = self.stripes.lock(piece);
        for Attached { leg, side } in &phase.legs {
            if side.followed().is_none() && self.host.keeps(Order::MarkBeforeWrite) {
                leg.mark(piece);
            }
        }
        match &phase.restore {
            Some(running) => running.restore.change(source, piece, change),
            None => change.make(source, piece),
        }
        .map_err(Fault::Source)?;
        mirror_piece(phase, change, piece, lost);
        Ok(())
    }
}

/// Brings a change that the source has got to the mirrors that follow it; the caller holds its stripe.
pub(super) fn mirror_piece(phase: &Phase, change: Change<'_>, piece: Extent, lost: &mut Lost) {
    for Attached { leg, side } in &phase.legs {
        let made = match side {
            Side::Synchronized(mirror) => change.make(mirror, piece),
            Side::Synchronizing(mirror) => forward(leg, mirror, change, piece),
            Side::Absent | Side::Paused(_) | Side::Frozen(_) => Ok(()),
        };
        if let Err(error) = made {
            leg.mark(piece);
            lost.push((Arc::clone(leg), error));
        }
    }
}

/// While an establish copies: blocks that it has still to copy are left to it, the others go to the mirror too.
fn forward(leg: &Leg, mirror: &Writer, change: Change<'_>, piece: Extent) -> Result<()> {
    let size = leg.block_size();
    piece
        .pieces(size.bytes())
        .filter(|part| !leg.dirty().any(size.touching(*part)))
        .try_for_each(|part| change.part(piece, part).make(mirror, part))
}
