//! Who looks at a split mirror: mappings of the host program, and files that are open through a mount. While one lives,
//! the mirror must not be written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Pair;
use crate::area::{Reader, View};
use crate::error::{Error, Result};
use crate::state::Verb;
use crate::volume::{Leg, Unseen, Volume};

/// How many mappings of each mirror, by device and inode, this process holds. They outlive the pair that gave them,
/// so they are counted for the process and not for the pair.
static LIVE: Mutex<BTreeMap<(u64, u64), u64>> = Mutex::new(BTreeMap::new());

fn live() -> MutexGuard<'static, BTreeMap<(u64, u64), u64>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of those who rely on a mirror to stay as it is.
#[derive(Debug)]
struct Held {
    mirror: (u64, u64),
}

impl Held {
    fn on(mirror: &Reader) -> Result<Self> {
        let stamp = mirror.stamp()?;
        let mirror = (stamp.device, stamp.inode);
        *live().entry(mirror).or_default() += 1;
        Ok(Self { mirror })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut live = live();
        if let Some(count) = live.get_mut(&self.mirror) {
            *count -= 1;
            if *count == 0 {
                live.remove(&self.mirror);
            }
        }
    }
}

/// All bytes of a split mirror, mapped read-only. Outlives the pair; the bytes do not change while it lives,
/// unless somebody writes the mirror's file natively.
pub struct MirrorView {
    bytes: View,
    length: usize,
    _held: Held,
}

impl std::fmt::Debug for MirrorView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "MirrorView of {} bytes", self.length)
    }
}

impl MirrorView {
    /// The mirror's bytes.
    pub fn bytes(&self) -> &[u8] {
        let all: &[u8] = (*self.bytes).as_ref();
        all.get(..self.length).unwrap_or(all)
    }
}

/// A split mirror that a program has open; while one lives, the mirror is not established.
#[derive(Debug)]
pub struct MirrorFile {
    volume: Arc<Volume>,
    leg: Arc<Leg>,
    mirror: Reader,
    length: u64,
    _held: Held,
}

impl MirrorFile {
    /// Opens the mirror of a leg, without waiting for a verb; `None` when it is not split.
    pub fn open(volume: &Arc<Volume>, leg: &Arc<Leg>) -> Result<Option<Self>> {
        let begun = volume.begin_view(leg, |mirror| Ok((mirror.clone(), Held::on(mirror)?)));
        let Some((mirror, held)) = begun.transpose()? else { return Ok(None) };
        let length = leg.catalog().record().length;
        let (volume, leg) = (Arc::clone(volume), Arc::clone(leg));
        Ok(Some(Self { volume, leg, mirror, length, _held: held }))
    }

    /// Reads up to `buffer.len()` bytes; fewer only at its end. `None`: it is not split any more, or at another point.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> Result<Option<usize>> {
        let room = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = room.min(buffer.len());
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        self.volume.read_frozen(&self.leg, &self.mirror, buffer, offset)
    }
}

impl Pair {
    /// The controller, to be kept by those who serve it; they ask [`Pair::volume`] before each use.
    pub fn shared_volume(&self) -> Result<Arc<Volume>> {
        self.check_usable()?;
        Ok(Arc::clone(&self.volume))
    }

    /// Maps the split mirror for reading.
    pub fn mirror_view(&self) -> Result<MirrorView> {
        let _entered = self.enter(Verb::OpenMirror, "idle", false)?;
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let length = self.leg.catalog().record().length as usize;
        let held = Held::on(&mirror)?;
        Ok(MirrorView { bytes: mirror.view()?, length, _held: held })
    }

    /// Reads up to `buffer.len()` bytes of the split mirror; fewer only at its end.
    pub fn read_mirror(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.check_usable()?;
        let Some(mirror) = self.volume.frozen_mirror(&self.leg) else {
            // The table's own words for it.
            self.enter(Verb::OpenMirror, "idle", false)?;
            return Err(Error::Closed);
        };
        let length = self.leg.catalog().record().length;
        let room =
            usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        self.volume.read_frozen(&self.leg, &mirror, buffer, offset)?.ok_or_else(|| self.let_go())
    }

    /// The mirror was established, or another point was taken, while it was being read.
    fn let_go(&self) -> Error {
        let record = self.record();
        let state = format!("{} (the point that was being read is gone)", record.state.name());
        Error::State { verb: Verb::OpenMirror.name(), state, legal: self.legal_now(&record) }
    }

    /// Bytes of the source that the mirror holds.
    pub fn mirror_length(&self) -> Result<u64> {
        self.check_usable()?;
        let followed =
            self.volume.look_at(&self.leg, |side| side.followed().map(|mirror| mirror.reader()));
        match followed {
            Some(mirror) => self.volume.content_length(&self.leg, &mirror),
            None => Ok(self.leg.catalog().record().length),
        }
    }

    /// Refuses while somebody looks at the mirror, and lets nobody begin to until the result is dropped.
    pub(super) fn end_views(&self) -> Result<Unseen> {
        let mirror = self.mirror_reader()?;
        self.volume.end_views(&self.leg, || self.check_unseen(&mirror))
    }

    /// Refuses while mappings of the mirror are held: by those who look at it, and, where it was a source before, by a
    /// program that may still store into it.
    pub(super) fn check_no_views(&self) -> Result<()> {
        self.check_unseen(&self.mirror_reader()?)
    }

    fn check_unseen(&self, mirror: &Reader) -> Result<()> {
        let arrays = mirror.mappings()?.len() as u64;
        if arrays > 0 {
            return Err(Error::ViewsLive { views: arrays, of: "the mirror, which was a source," });
        }
        let stamp = mirror.stamp()?;
        match live().get(&(stamp.device, stamp.inode)) {
            None => Ok(()),
            Some(views) => Err(Error::ViewsLive { views: *views, of: "the mirror" }),
        }
    }
}
