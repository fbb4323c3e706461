//! The source's identity: its tag, as an establish finds it and leaves it.

use super::Pair;
use crate::error::Result;
use crate::state::State;
use crate::tracker::{SourceSeen, Tag};
use crate::volume::Source;

impl Pair {
    /// Another pair may have given the source an identity since this one was made: it is the same source.
    pub(super) fn join_volume(&self, source: &Source) -> Result<()> {
        let mut catalog = self.volume.catalog();
        let record = catalog.record();
        match source.tag()? {
            Some(Tag::Source { volume, epoch })
                if record.state == State::Initialized && volume != record.volume_id =>
            {
                catalog.commit(|record| {
                    record.volume_id = volume;
                    record.volume_is_ours = false;
                    record.epoch.current = epoch;
                })
            }
            _ => Ok(()),
        }
    }

    /// The tag that the source lacks: it has none, or one of another source, or missed epochs.
    pub(super) fn next_tag(&self, source: &Source) -> Result<Option<Tag>> {
        if source.writer().is_err() {
            return Ok(None);
        }
        let catalog = self.volume.catalog();
        let record = catalog.record();
        let (volume, epoch) = (record.volume_id, record.epoch);
        let found = source.tag()?;
        let theirs = match found {
            Some(Tag::Source { volume: found, epoch }) if found == volume => epoch,
            _ => 0,
        };
        let known = Tag::judge(found, volume, epoch.current, epoch.next) == SourceSeen::Known;
        let next = theirs.max(epoch.current).max(epoch.next.unwrap_or(0)) + 1;
        Ok((!known || found.is_none()).then_some(Tag::Source { volume, epoch: next }))
    }
}
