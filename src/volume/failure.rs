//! Whose error (I8): a mirror or catalog that fails must not stop the application; a source that fails must not be
//! mirrored any further.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::intent::takes_intents;
use super::{Leg, Side, Source, Volume};
use crate::area::Writer;
use crate::catalog::MapKind;
use crate::error::{Error, Result};
use crate::state::{Condition, Reason, State};
use crate::units::{Extent, OFFSET_MAX};

impl Volume {
    /// Gives a mirror up: from here writes go to the source alone and are marked. When its catalog cannot record
    /// that, the source's epoch is raised past what it knows, so that it cannot believe itself up to date.
    pub(super) fn mirror_failed(&self, leg: &Arc<Leg>, error: Error) -> Result<()> {
        let side = {
            let mut gate = self.close_gate();
            if gate.side(leg).writer().is_none() {
                return Ok(());
            }
            gate.put(leg, Side::Absent)
        };
        let copying = matches!(side, Side::Synchronizing(_));
        let stamp = side.writer().and_then(|mirror| mirror.reader().stamp().ok());
        drop(side);
        log::error!(target: "splitmirror.volume", "the mirror {} failed and is given up: {error}", leg.mirror_path().display());
        // What it got of the writes since its last sync is unknown: of those that are logged, where they are. What a
        // copier has brought it since is neither logged nor marked.
        if takes_intents(leg) && !copying {
            self.mark_logged(leg);
        } else {
            leg.belief().lose(Reason::Compare);
        }
        let failed = |record: &mut crate::catalog::Record| {
            record.state = State::Unsynchronized;
            record.conditions.set(Condition::MirrorFailed);
            record.mirror.stamp = stamp.unwrap_or(record.mirror.stamp);
            if copying {
                record.conditions.set(Condition::TrackerLost);
            }
        };
        let committed = leg.catalog().commit_with(&[(MapKind::Dirty, &[leg.dirty()])], failed);
        let fenced = match committed {
            Ok(()) => Ok(()),
            Err(second) => self.catalog_failed(leg, second),
        };
        leg.catalog().note("mirror-failed", serde_json::json!({"error": error.to_string()}));
        fenced
    }

    /// A catalog cannot take what must be durable before a write. The write must not fail for that: the mirror is
    /// given up, and the source's epoch goes on without it, so that it will find that it has missed writes. Only the
    /// mirror that the source is being restored from is needed for that (its bytes are still the source's).
    pub(super) fn catalog_failed(&self, leg: &Arc<Leg>, error: Error) -> Result<()> {
        if self.look(|phase| phase.restore_of(leg).is_some()) {
            return Err(error);
        }
        if !leg.is_logged() {
            return Ok(());
        }
        self.give_up(leg, &error);
        let _turn = super::unpoisoned(&self.changing);
        self.raise_epoch(false)
    }

    /// Nothing more is written to this mirror or its catalog; this process knows it, and the epoch will tell others.
    pub(super) fn give_up(&self, leg: &Leg, error: &Error) {
        log::error!(target: "splitmirror.volume", "the catalog of {} failed, tracking is given up: {error}", leg.mirror_path().display());
        leg.set_logged(false);
        self.close_gate().put_absent_if_written(leg);
        leg.belief().lose(Reason::MissedEpoch);
        leg.catalog().assume(|record| {
            if record.state == State::Synchronized {
                record.state = State::Unsynchronized;
            }
            record.conditions.set(Condition::MirrorFailed);
        });
    }

    /// All that the log names, or that was handed out, may differ in this mirror.
    pub(super) fn mark_logged(&self, leg: &Leg) {
        let regions: Vec<u64> = self.intent.log().pages.concat();
        leg.mark_regions(&regions, self.intent.region_bytes());
        leg.mark_ranges(&self.recorded_ranges());
    }

    /// A write of the source failed. Where the storage only has no room for it, the sides are made equal again and
    /// all goes on; anything else makes the source suspect.
    pub(super) fn source_failed(&self, extent: Extent, error: Error) -> Error {
        let no_room = match &error {
            Error::NoSpace { .. } => true,
            // Beyond what the file system, or a limit of the process, allows.
            Error::Io { errno: libc::EFBIG | libc::EINVAL, .. } => true,
            Error::Io { path, .. } if *path == self.source_path => false,
            // Not an error of the source: a block of the mirror that was needed first, say.
            _ => return error,
        };
        let gate = self.close_gate();
        let Some(source) = gate.source.clone() else { return error };
        // What arrived before the failure may have made it longer.
        source.tracker().after_own_write(source.reader().length().unwrap_or(0));
        let mut equal = no_room;
        for attached in &gate.legs {
            let (leg, size) = (&attached.leg, attached.leg.block_size());
            let touched = size.touching(extent.intersect(Extent::new(0, OFFSET_MAX)));
            leg.dirty().set(touched);
            if let (Side::Synchronized(mirror), true) = (&attached.side, equal) {
                equal = copy_back(&source, mirror, extent).is_ok();
                if equal {
                    leg.dirty().clear(touched);
                }
            }
        }
        drop(gate);
        if equal { error } else { self.suspect(error) }
    }

    /// What the source holds is unknown: mirroring freezes at this instant, for the mirrors hold the last good bytes.
    fn suspect(&self, error: Error) -> Error {
        let mut gate = self.close_gate();
        for attached in &mut gate.legs {
            if let Side::Synchronized(mirror) = &attached.side {
                attached.side = Side::Paused(Arc::clone(mirror));
            }
        }
        drop(gate);
        for leg in self.legs() {
            let mut catalog = leg.catalog();
            let suspect = |record: &mut crate::catalog::Record| {
                record.conditions.set(Condition::SourceSuspect);
            };
            if let Err(second) = catalog.commit(suspect) {
                log::error!(target: "splitmirror.volume", "the catalog failed too: {second}");
                catalog.assume(suspect);
            }
            catalog.note("source-suspect", serde_json::json!({"error": error.to_string()}));
        }
        error
    }

    /// A sync of the source failed. `silent`: the application has not been told.
    pub fn source_sync_failed(&self, error: Error, silent: bool) -> Error {
        if silent {
            self.sync_lost.store(true, Ordering::Release);
        }
        self.suspect(error)
    }

    /// The error of an earlier sync that the application has not been told, once.
    pub(super) fn take_lost_sync(&self) -> Result<()> {
        if !self.sync_lost.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let path = self.source_path.clone();
        Err(Error::Io { path, operation: "an earlier sync", errno: libc::EIO })
    }
}

/// Brings what the source holds in an extent to the mirror, so that both are equal whatever a failed write left.
fn copy_back(source: &Source, mirror: &Writer, extent: Extent) -> Result<()> {
    let mut buffer = vec![0u8; extent.length.min(1 << 20) as usize];
    for piece in extent.pieces(1 << 20) {
        let bytes = buffer.get_mut(..piece.length as usize).unwrap_or_default();
        let read = source.reader().read_at(bytes, piece.offset)?;
        mirror.write_at(bytes.get(..read).unwrap_or_default(), piece.offset)?;
    }
    mirror.set_length(source.reader().length()?)
}

impl super::Phase {
    /// A mirror that is written is written no more.
    fn put_absent_if_written(&mut self, leg: &Leg) {
        if self.side(leg).writer().is_some() {
            self.put(leg, Side::Absent);
        }
    }
}
