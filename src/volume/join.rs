//! A mirror joins the volume: what can be believed of it is worked out, and how it is held.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::unfinished::load_restore;
use super::{Attached, Leg, Restoring, Running, Side, Source, Volume, read_tag, unpoisoned};
use crate::area::{Access, Found, Host, Kind, Reader, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, MapKind, Record};
use crate::error::{Error, Result};
use crate::state::{Condition, Mode, Reason, State};
use crate::tracker::{SourceSeen, Tag, closed};

/// That a file is the mirror that a record describes, and not a copy of it.
pub fn check_identity(host: &dyn Host, found: &Found, record: &Record) -> Result<()> {
    let moved =
        |problem: &str| Err(Error::MovedPair { path: found.path.clone(), problem: problem.into() });
    // The catalog of a device is filed by the device's own name; its number may change with a reboot.
    if found.kind == Kind::File && !found.stamp.same_file(&record.mirror.stamp) {
        return moved("it is another file than the recorded one");
    }
    if found.kind != record.mirror.kind {
        return moved("it is not of the recorded kind");
    }
    let tag = read_tag(&Reader::new(host.open(&found.path, Access::Read)?))?.flatten();
    match tag {
        Some(Tag::Mirror { pair }) if pair != record.pair_id => {
            moved("it carries the name of another pair")
        }
        _ => Ok(()),
    }
}

impl Volume {
    /// Takes a mirror in. Neither source nor mirror is written.
    pub(super) fn join(&self, mut catalog: Catalog, mirror_path: PathBuf) -> Result<Arc<Leg>> {
        // No session begins between the look at the source's epoch and the instant from which on writes reach it.
        let _turn = unpoisoned(&self.changing);
        self.share_identity(&mut catalog)?;
        let source = self.look(|phase| phase.source.clone());
        let record = catalog.record().clone();
        let loaded = catalog.load_map(MapKind::Dirty)?.and_then(|layers| layers.into_iter().next());
        let lost = loaded.is_none();
        let blocks = record.block_size.count(record.length).max(record.dirty.blocks);
        let dirty = loaded.unwrap_or_else(|| Bitmap::full(blocks));
        dirty.make_room(blocks);
        let tracker = source.as_ref().map(|source| source.tracker());
        let leg = Arc::new(Leg::new(catalog, mirror_path, dirty, tracker));
        if lost {
            leg.belief().lose(Reason::Compare);
        }
        if let Some(source) = &source {
            self.judge(&leg, source.reader(), &record)?;
        }
        let side = self.open_side(&leg, &record)?;
        let restore = load_restore(&leg, &side)?;
        if let Some(restore) = &restore {
            // The copier takes marks away before it copies, and the marks may have been saved then.
            leg.dirty().make_room(restore.pending().blocks());
            leg.dirty().add(restore.pending());
        }
        if lost {
            // Nothing is recorded before all that could be refused was looked at.
            leg.catalog().commit(|record| {
                record.conditions.set(Condition::TrackerLost);
            })?;
        }
        self.enter(&leg, side, restore)?;
        Ok(leg)
    }

    /// A pair that has copied nothing yet takes the identity that the source has by now.
    fn share_identity(&self, catalog: &mut Catalog) -> Result<()> {
        let volume = self.legs().first().map(|leg| leg.catalog().record().volume_id);
        let record = catalog.record();
        match volume {
            Some(volume) if volume != record.volume_id => {
                if record.state != State::Initialized {
                    // Its source was another file; that this one is open for others must not mix the two.
                    let other = self.legs().first().map(|leg| leg.folder().to_path_buf());
                    return Err(Error::AlreadyPaired {
                        path: self.source_path.clone(),
                        other: other.unwrap_or_default(),
                    });
                }
                catalog.commit(|record| {
                    record.volume_id = volume;
                    record.volume_is_ours = false;
                })
            }
            _ => Ok(()),
        }
    }

    /// Another pair may have given the source an identity since these were made: it is the same source.
    pub fn take_identity(&self, source: &Source) -> Result<()> {
        let Some(Tag::Source { volume, epoch }) = source.tag()? else { return Ok(()) };
        for leg in self.legs() {
            let mut catalog = leg.catalog();
            let record = catalog.record();
            if record.state == State::Initialized && volume != record.volume_id {
                catalog.commit(|record| {
                    record.volume_id = volume;
                    record.volume_is_ours = false;
                    record.epoch.current = epoch;
                })?;
            }
        }
        Ok(())
    }

    /// Puts another file in place of the source (it was replaced, or recreated). Each mirror judges it anew, and none
    /// believes that it knows where it differs.
    pub fn replace_source(&self, source: Option<Arc<Source>>) -> Result<()> {
        for leg in self.legs() {
            let record = leg.catalog().record().clone();
            let judged = source
                .as_ref()
                .map(|source| doubt_from_before(&**self.host(), source.reader(), &record));
            let reason = judged.transpose()?.flatten().unwrap_or(Reason::OutsideWrites);
            leg.belief().lose_anew(reason);
        }
        if let Some(source) = source.as_ref().filter(|_| self.has_session()) {
            // The session's writes go on to this file: they are ours.
            source.tracker().expect_own_writes();
        }
        let mut gate = self.close_gate();
        if let Some(source) = &source {
            self.unsynced.make_room(self.unit.count(source.reader().length()?));
        }
        gate.source = source;
        Ok(())
    }

    /// Works out what is not believed of the time between the last close and now.
    pub(super) fn judge(&self, leg: &Leg, source: &Reader, record: &Record) -> Result<()> {
        if let Some(reason) = doubt_from_before(&**self.host(), source, record)? {
            leg.belief().lose(reason);
        }
        // A close that was not clean: what was under way is in the log, where everything went through the volume.
        if record.open_for_writing && record.mode == Mode::Exclusive {
            match leg.intents().load(record.intents)? {
                Some(logged) => {
                    leg.dirty().make_room(leg.block_size().count(source.length()?));
                    leg.mark_regions(&logged.regions, logged.region_bytes);
                    leg.mark_ranges(&record.handed_out);
                    leg.set_recovered(true);
                }
                None => leg.belief().lose(Reason::UncleanClose),
            }
        }
        Ok(())
    }

    fn open_side(&self, leg: &Leg, record: &Record) -> Result<Side> {
        let (host, mirror) = (self.host(), leg.mirror_path());
        match record.state {
            State::Initialized | State::Unsynchronized => Ok(Side::Absent),
            State::Split => Ok(Side::Frozen(Reader::new(host.open(mirror, Access::Read)?))),
            State::Synchronized => {
                let writer = Arc::new(Writer::new(host.open(mirror, Access::Write)?));
                let touched = !writer.reader().stamp()?.same_content(&record.mirror.stamp);
                if touched && !leg.is_recovered() {
                    // Somebody wrote the mirror while it was closed: it no longer equals the source for certain.
                    leg.belief().lose(Reason::Compare);
                }
                // It stands still since some instant: what was written since is marked, and it follows again after an
                // establish. Until then a split would not be of the source as it is (`take_point`).
                let unfollowed = !leg.dirty().is_empty();
                let suspect = record.conditions.has(Condition::SourceSuspect);
                Ok(if suspect || unfollowed {
                    Side::Paused(writer)
                } else {
                    Side::Synchronized(writer)
                })
            }
        }
    }

    /// From here on writes reach it, or are marked. A session that has begun is one for this mirror too. `changing` is
    /// held.
    fn enter(&self, leg: &Arc<Leg>, side: Side, restore: Option<Restoring>) -> Result<()> {
        // What was written without this mirror must not be hidden, nor overwritten by going on.
        let missed = leg.belief().lost() == Some(Reason::MissedEpoch);
        let restore = restore.filter(|_| !missed);
        if restore.is_some() {
            // What they have got is durable before they stand still.
            self.legs().iter().try_for_each(|leg| self.unfollow(leg, |_| Ok(())).map(drop))?;
        }
        // Nothing is logged while it is taken in: what is logged already is put into its log.
        let log = self.intent.log();
        if self.has_session() {
            let generation = self.begin_log_with(leg, &log)?;
            let ranges = self.recorded_ranges();
            leg.catalog().commit_with(&[(MapKind::Dirty, &[leg.dirty()])], |record| {
                record.open_session(generation, &ranges);
            })?;
        }
        let mut gate = self.close_gate();
        self.stripes.widen(leg.block_size());
        let length = gate.source.as_ref().map_or(Ok(0), |source| source.reader().length())?;
        self.unsynced.make_room(self.unit.count(length));
        gate.legs.push(Attached { leg: Arc::clone(leg), side });
        if let (Some(restore), None) = (restore, &gate.restore) {
            gate.restore = Some(Running { leg: Arc::clone(leg), restore: Arc::new(restore) });
        }
        gate.stand_still_beside_restore();
        Ok(())
    }
}

/// What is not believed of the time between the last close and now.
fn doubt_from_before(host: &dyn Host, source: &Reader, record: &Record) -> Result<Option<Reason>> {
    if record.state == State::Initialized {
        return Ok(None);
    }
    if let Some(tag) = read_tag(source)? {
        match Tag::judge(tag, record.volume_id, record.epoch.current, record.epoch.next) {
            SourceSeen::Replaced => return Ok(Some(Reason::SourceReplaced)),
            SourceSeen::Missed(_) => return Ok(Some(Reason::MissedEpoch)),
            SourceSeen::Known => {}
        }
    }
    if record.open_for_writing && record.mode == Mode::Shared {
        return Ok(Some(Reason::UncleanClose));
    }
    if record.conditions.has(Condition::SourceReplaced) {
        return Ok(Some(Reason::SourceReplaced));
    }
    if record.conditions.has(Condition::OutsideWrites) {
        return Ok(Some(Reason::OutsideWrites));
    }
    if record.conditions.has(Condition::TrackerLost) {
        return Ok(Some(Reason::Compare));
    }
    let mark = record.clean.as_ref();
    let mark = mark.map(|mark| closed::Mark {
        boot_id: &mark.boot_id,
        source: &mark.source,
        sole: mark.sole,
    });
    Ok(closed::judge(record.mode, mark, &host.boot_id(), &source.stamp()?))
}

impl Source {
    /// Opens what stands at a path, if anything does. A source is opened for writing: whatever path leads to a mirror,
    /// one of these or another pair's, must not be one (I1).
    pub fn find(
        host: &dyn Host,
        path: &Path,
        mode: Mode,
        mirrors: &[&Path],
    ) -> Result<Option<Arc<Self>>> {
        let Some(found) = host.find(path)? else { return Ok(None) };
        for mirror in mirrors {
            if let Some(mirror) = host.find(mirror)? {
                crate::area::check_different(&mirror, &found, &found.path)?;
            }
        }
        if let Some(Some(Tag::Mirror { .. })) = super::source::tag_of(host, &found)? {
            return Err(Error::AlreadyPaired {
                path: found.path.clone(),
                other: host.catalog_folder(&found.path)?,
            });
        }
        Ok(Some(Arc::new(Self::open(host, path, mode)?)))
    }
}
