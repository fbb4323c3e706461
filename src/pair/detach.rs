//! `detach`: the pair ends. Both files stay as they are; the catalog goes.

use std::sync::atomic::Ordering;

use super::Pair;
use super::report::{DetachReport, SCHEMA};
use crate::catalog::Catalog;
use crate::error::{Result, shown};
use crate::state::{Condition, Reason, Verb};
use crate::tracker::{SourceSeen, Tag};

impl Pair {
    /// Ends the pair. What the mirror holds is durable when this returns.
    pub fn detach(&self) -> Result<DetachReport> {
        let _entered = self.enter(Verb::Detach, "idle", false)?;
        self.check_guards(Verb::Detach, &[])?;
        if let Some(export) = self.volume.exports().first() {
            let path = shown(&export.path());
            return Err(self.refused(Verb::Detach, &format!("mounted as {path}: unmount it first")));
        }
        // Nothing is copied from it, and nothing that would be begins, until it has gone.
        let start = self.start_copying(Verb::Detach)?;
        let _unseen = self.end_views()?;
        if self.volume.has_session() {
            self.volume.flush()?;
        }
        self.volume.sync_mirror(&self.leg)?;
        self.disown_marks()?;
        let record = self.record();
        let last = self.volume.legs().len() == 1 && self.volume.missing_siblings().is_empty();
        if last {
            self.untag_source(record.volume_is_ours);
        }
        if let Err(error) = self.host().remove_tag(self.mirror_path()) {
            log::warn!(target: "splitmirror.pair", "the mirror keeps its tag: {error}");
        }
        let report = DetachReport {
            schema: SCHEMA,
            kind: "detach",
            pair_id: record.pair_id.to_string(),
            mirror: shown(self.mirror_path()),
            source: shown(self.source_path()),
        };
        // First nothing is written any more, then the catalog goes.
        self.volume.release(&self.leg);
        Catalog::erase(&mut self.leg.catalog())?;
        drop(start);
        self.closed.store(true, Ordering::Release);
        let forgotten = self.volume.forget();
        self.volume.leave(&self.leg)?;
        forgotten?;
        Ok(report)
    }

    /// From its release on no write is marked for this mirror: a catalog that then cannot be erased must not be believed.
    /// One that has been given up says so already.
    fn disown_marks(&self) -> Result<()> {
        if !self.leg.is_logged() {
            return Ok(());
        }
        self.leg.catalog().commit(|record| {
            record.conditions.set(Condition::TrackerLost);
        })?;
        self.leg.belief().lose(Reason::Compare);
        Ok(())
    }

    /// The tag goes with the last pair, if that gave it or knew all the others, unless another one that it does not know
    /// has written since.
    fn untag_source(&self, ours: bool) {
        let Ok(source) = self.volume.source() else { return };
        let listed = matches!(source.reader().mirrors(), Ok(Some(_)));
        let ours = ours || listed;
        if let (true, Err(error)) = (listed, source.set_mirrors(&[])) {
            log::warn!(target: "splitmirror.pair", "the source keeps its list of mirrors: {error}");
        }
        let epoch = self.leg.catalog().record().epoch;
        let volume = self.leg.catalog().record().volume_id;
        let known = |tag| Tag::judge(tag, volume, epoch.current, epoch.next) == SourceSeen::Known;
        let removed = match source.tag() {
            Ok(tag @ Some(_)) if ours && known(tag) => source.remove_tag(),
            other => other.map(drop),
        };
        if let Err(error) = removed {
            log::warn!(target: "splitmirror.pair", "the source keeps its tag: {error}");
        }
    }
}
