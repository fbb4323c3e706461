//! Closing a pair: data, then the clean mark that lets the next open believe what was tracked.

use std::sync::atomic::Ordering;

use super::Pair;
use crate::area::Order;
use crate::catalog::{CleanMark, Epoch, MapKind};
use crate::error::Result;
use crate::state::{Mode, Reason, State};
use crate::tracker::closed;
use crate::volume::{Side, Source};

impl Pair {
    /// Ends the use of the pair; calling it again does nothing. A restore that is pending stays so, durably. In a
    /// forked child nothing is touched: the pair is the parent's.
    pub fn close(&self) -> Result<()> {
        if std::process::id() != self.process {
            return Ok(());
        }
        let _turn = self.verbs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let result = self.settle();
        self.volume.shut();
        result
    }

    /// Writes the clean mark, where anything happened that needs one.
    fn settle(&self) -> Result<()> {
        let source = self.volume.look(|phase| phase.source.clone());
        let Some(source) = source else { return Ok(()) };
        let record = self.volume.catalog().record().clone();
        let stamp = source.stamp()?;
        let valid =
            record.clean.as_ref().is_some_and(|mark| mark.source.same_content(&stamp) && mark.sole);
        let committed = self.volume.catalog().sequence() != self.first_sequence;
        if valid && !committed && !self.volume.has_session() {
            return Ok(());
        }
        if self.volume.has_session() && self.host().keeps(Order::DataSyncedBeforeCleanMark) {
            self.volume.flush()?;
            self.volume.sync_source(true)?;
        }
        let mirror_stamp = match self.volume.look(|phase| phase.side.writer().cloned()) {
            Some(mirror) if self.host().keeps(Order::DataSyncedBeforeCleanMark) => {
                mirror.sync_all()?;
                Some(mirror.reader().stamp()?)
            }
            Some(mirror) => Some(mirror.reader().stamp()?),
            None => None,
        };
        let clean = self.clean_mark(&source)?;
        // What the mirror holds, which is not what the source has by now when others cut or lengthened it.
        let length = self.volume.look(|phase| match &phase.side {
            Side::Synchronized(mirror) => self.volume.content_length(&mirror.reader()).map(Some),
            _ => Ok(None),
        })?;
        let epoch = source.epoch_seen(record.volume_id, record.epoch);
        let mut catalog = self.volume.catalog();
        catalog.commit_with(&[(MapKind::Dirty, self.volume.dirty())], |record| {
            record.open_for_writing = false;
            record.clean = clean;
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
    fn clean_mark(&self, source: &Source) -> Result<Option<CleanMark>> {
        let host = self.host();
        host.wait_ns(closed::unsettled_ns(&source.stamp()?, host.now_ns()));
        // First whether anybody is there, then the stamp: who comes in between changes the stamp later.
        let sole = source.tracker().alone() && source.reader().times_tell();
        let stamp = source.stamp()?;
        // Somebody who has it open now may write it after the mark: that is what the mark then says.
        let doubt = source.tracker().doubt();
        let sole = sole && doubt.is_none();
        let doubted = doubt.is_some_and(|reason| reason != Reason::UncleanTracker);
        let exclusive = self.volume.catalog().record().mode == Mode::Exclusive;
        let now = host.now_ns();
        if doubted || !(exclusive || closed::settled(&stamp, now)) {
            return Ok(None);
        }
        Ok(Some(CleanMark { boot_id: host.boot_id(), at_ns: now, source: stamp, sole }))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            log::error!(target: "splitmirror.pair", "closing {} failed: {error}", self.mirror_path.display());
        }
    }
}
