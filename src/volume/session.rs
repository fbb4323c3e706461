//! Sessions and epochs: before the first write of an open volume, each catalog knows that it was opened for writing
//! and which epoch comes next, and the source carries that epoch.
//!
//! Until it is closed cleanly, a crash then means, in mode `shared`, that any block may differ; in mode `exclusive`,
//! that the blocks on disk and the logged regions may (`intent`). Later writes cost one atomic look.
//!
//! A catalog that cannot be told stays behind the source's epoch, and finds that it has missed writes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::intent::{Log, takes_intents};
use super::{Leg, Source, Volume, unpoisoned};
use crate::area::Order;
use crate::catalog::{Epoch, MapKind};
use crate::error::Result;
use crate::tracker::Tag;
use crate::units::Extent;

/// How far an epoch may be from the one before: two that begin at the same one hardly ever meet, and the numbers stay
/// exact where numbers are floating-point.
const LEAP_MAX: u64 = (1 << 24) - 1;

impl Leg {
    /// Records the epoch that comes next, and when `opening` that the source may be written from now on.
    fn announce(
        &self,
        source: &Source,
        next: u64,
        opening: Option<u64>,
        handed_out: &[Extent],
    ) -> Result<()> {
        let mut catalog = self.catalog();
        let (volume, known) = (catalog.record().volume_id, catalog.record().epoch);
        let seen = source.epoch_seen(volume, known);
        let marks: [&crate::bitmap::Bitmap; 1] = [self.dirty()];
        // What an unclean close left in the log that is about to be begun anew.
        let maps: &[(MapKind, &[_])] =
            if self.is_recovered() { &[(MapKind::Dirty, &marks)] } else { &[] };
        catalog.commit_with(maps, |record| {
            // What is not believed by now stays so: the next epoch will be one that this mirror knows.
            record.conditions.note(record.state, self.belief().lost());
            record.epoch = Epoch { current: seen, next: Some(next) };
            if let Some(generation) = opening {
                record.open_session(generation, handed_out);
            }
        })
    }
}

impl Volume {
    /// Makes sure that this session may write. Not under the gate.
    pub(super) fn begin_session(&self) -> Result<()> {
        if self.has_session() {
            return Ok(());
        }
        self.check_only_volume()?;
        let _turn = unpoisoned(&self.changing);
        if self.has_session() {
            return Ok(());
        }
        let source = self.source()?;
        source.writer()?;
        source.tracker().expect_own_writes();
        self.raise_epoch(true)?;
        self.session.store(true, Ordering::Release);
        Ok(())
    }

    /// Opens a session for a verb that is about to write the source.
    pub fn ensure_session(&self) -> Result<()> {
        self.begin_session()
    }

    /// Begins the log of a mirror anew, in a session: 0 where it needs none.
    fn begin_log(&self, leg: &Leg) -> Result<u64> {
        let log = self.intent.log();
        self.begin_log_with(leg, &log)
    }

    pub(super) fn begin_log_with(&self, leg: &Leg, log: &Log) -> Result<u64> {
        if !takes_intents(leg) {
            return Ok(0);
        }
        let generation = uuid::Uuid::new_v4().as_u64_pair().0 | 1;
        leg.intents().begin(generation, self.intent.region_bytes(), &log.pages)?;
        self.intent.need();
        Ok(generation)
    }

    /// Gives the source an epoch that it has never had, after every catalog that can be told was. `changing` is held.
    pub(super) fn raise_epoch(&self, opening: bool) -> Result<()> {
        let source = self.source()?;
        let legs = self.legs();
        let Some(volume) = legs.first().map(|leg| leg.catalog().record().volume_id) else {
            return Ok(());
        };
        let after = |leg: &Arc<Leg>| source.epoch_after(volume, leg.catalog().record().epoch);
        // Not simply the next number: a mirror that is not here may have heard of that one in a session that was killed
        // as it began, and would take this one, which it misses, for its own.
        let leap = uuid::Uuid::new_v4().as_u64_pair().0 & LEAP_MAX;
        let mut next = legs.iter().map(after).max().unwrap_or(1) + leap;
        if self.host.keeps(Order::IntentBeforeWrite) {
            // Whoever cannot be told may know the epoch all the same, half written: the others get another one.
            while !self.announce(&source, &legs, next, opening)? {
                next += 1;
            }
        }
        self.set_tag(&source, volume, next)?;
        self.list_mirrors(&source);
        Ok(())
    }

    /// Whether all catalogs that were believed to take it did.
    fn announce(
        &self,
        source: &Source,
        legs: &[Arc<Leg>],
        next: u64,
        opening: bool,
    ) -> Result<bool> {
        let mut all = true;
        for leg in legs.iter().filter(|leg| leg.is_logged()) {
            let told = || -> Result<()> {
                let generation = if opening { Some(self.begin_log(leg)?) } else { None };
                leg.announce(source, next, generation, &self.recorded_ranges())
            };
            if let Err(error) = told() {
                if self.look(|phase| phase.restore_of(leg).is_some()) {
                    return Err(error);
                }
                self.give_up(leg, &error);
                all = false;
            }
        }
        Ok(all)
    }

    /// Gives the source, which may be a new file, the tag of this session, unless it has it.
    pub fn tag_source(&self, leg: &Leg) -> Result<()> {
        let source = self.source()?;
        let (volume, epoch) = {
            let catalog = leg.catalog();
            let record = catalog.record();
            (record.volume_id, record.epoch.next.unwrap_or(record.epoch.current))
        };
        match source.tag()? {
            Some(Tag::Source { volume: theirs, epoch: seen })
                if theirs == volume && seen >= epoch =>
            {
                Ok(())
            }
            _ => self.set_tag(&source, volume, epoch),
        }
    }

    /// The epoch that the source carries, as one of ours; a source that carries none gets one.
    pub fn own_epoch(&self, leg: &Leg) -> Result<Option<u64>> {
        let source = self.source()?;
        if source.writer().is_err() {
            return Ok(None);
        }
        let carried = |source: &Source| -> Result<Option<u64>> {
            let volume = leg.catalog().record().volume_id;
            Ok(match source.tag()? {
                Some(Tag::Source { volume: theirs, epoch }) if theirs == volume => Some(epoch),
                _ => None,
            })
        };
        if let Some(epoch) = carried(&source)? {
            return Ok(Some(epoch));
        }
        let _turn = unpoisoned(&self.changing);
        self.raise_epoch(false)?;
        carried(&source)
    }

    /// A mirror whose catalog failed takes part in the session again: an establish brings it up to date.
    pub fn readmit(&self, leg: &Leg) -> Result<()> {
        let _turn = unpoisoned(&self.changing);
        if leg.is_logged() || !self.has_session() {
            leg.set_logged(true);
            return Ok(());
        }
        leg.set_logged(true);
        let ranges = self.recorded_ranges();
        let begun = self.begin_log(leg).and_then(|generation| {
            leg.catalog().commit(|record| {
                record.open_session(generation, &ranges);
            })
        });
        begun.inspect_err(|_| leg.set_logged(false))
    }

    fn set_tag(&self, source: &Source, volume: uuid::Uuid, epoch: u64) -> Result<()> {
        let durable = self.host.keeps(Order::TagSyncedBeforeWrite);
        source.set_tag(Tag::Source { volume, epoch }, durable).map(drop)
    }
}
