//! Sessions: before the first write of an open volume, an intent over the whole area and a new epoch are durable.
//!
//! Until it is closed cleanly, a crash then means that any block may differ. Later writes cost one atomic look.

use std::sync::atomic::Ordering;

use super::{Phase, Source, Volume};
use crate::area::Order;
use crate::catalog::Epoch;
use crate::error::Result;
use crate::tracker::Tag;

impl Volume {
    /// Makes sure that this session may write. Held under the gate by the caller, so no side changes meanwhile.
    pub(super) fn begin_session(&self, phase: &Phase) -> Result<()> {
        if self.session.load(Ordering::Acquire) {
            return Ok(());
        }
        let source = phase.source.as_ref().ok_or_else(|| self.source_missing())?;
        let mut catalog = self.catalog();
        if self.session.load(Ordering::Acquire) {
            return Ok(());
        }
        source.writer()?;
        source.tracker().expect_own_writes();
        let (volume, known) = (catalog.record().volume_id, catalog.record().epoch);
        let (seen, next) = (source.epoch_seen(volume, known), source.epoch_after(volume, known));
        if self.host.keeps(Order::IntentBeforeWrite) {
            let committed = catalog.commit(|record| {
                record.open_for_writing = true;
                record.clean = None;
                record.epoch = Epoch { current: seen, next: Some(next) };
            });
            if let Err(error) = committed {
                // The catalog cannot take the intent. The write must not fail for that (I8): the source's epoch goes
                // on without the catalog, which will find that it has missed writes.
                log::error!(target: "splitmirror.volume", "the catalog failed, tracking is given up: {error}");
                source.tracker().lose(crate::state::Reason::MissedEpoch);
                self.raise_tag(source, catalog.record().volume_id, next + 1)?;
                self.session.store(true, Ordering::Release);
                return Ok(());
            }
        }
        self.raise_tag(source, catalog.record().volume_id, next)?;
        self.session.store(true, Ordering::Release);
        Ok(())
    }

    /// Opens a session for a verb that is about to write the source.
    pub fn ensure_session(&self) -> Result<()> {
        let gate = self.gate();
        self.begin_session(&gate)
    }

    /// Gives the source, which may be a new file, the tag of this session, unless it has it.
    pub fn tag_source(&self) -> Result<()> {
        let source = self.source()?;
        let (volume, epoch) = {
            let catalog = self.catalog();
            let record = catalog.record();
            (record.volume_id, record.epoch.next.unwrap_or(record.epoch.current))
        };
        match source.tag()? {
            Some(Tag::Source { volume: theirs, epoch: seen })
                if theirs == volume && seen >= epoch =>
            {
                Ok(())
            }
            _ => self.raise_tag(&source, volume, epoch),
        }
    }

    /// Brings the source's tag to an epoch.
    fn raise_tag(&self, source: &Source, volume: uuid::Uuid, epoch: u64) -> Result<()> {
        let durable = self.host.keeps(Order::TagSyncedBeforeWrite);
        source.set_tag(Tag::Source { volume, epoch }, durable).map(drop)
    }
}
