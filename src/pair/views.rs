//! Mappings of the split mirror that the host program holds: while one lives, the mirror must not be written.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Pair;
use crate::area::View;
use crate::error::{Error, Result};
use crate::state::Verb;

/// How many mappings of each mirror, by device and inode, this process holds. They outlive the pair that gave them,
/// so they are counted for the process and not for the pair.
static LIVE: Mutex<BTreeMap<(u64, u64), u64>> = Mutex::new(BTreeMap::new());

fn live() -> MutexGuard<'static, BTreeMap<(u64, u64), u64>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All bytes of a split mirror, mapped read-only. Outlives the pair; the bytes do not change while it lives,
/// unless somebody writes the mirror's file natively.
pub struct MirrorView {
    bytes: View,
    length: usize,
    mirror: (u64, u64),
}

impl std::fmt::Debug for MirrorView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "MirrorView of {} bytes", self.length)
    }
}

impl Drop for MirrorView {
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

impl MirrorView {
    /// The mirror's bytes.
    pub fn bytes(&self) -> &[u8] {
        let all: &[u8] = (*self.bytes).as_ref();
        all.get(..self.length).unwrap_or(all)
    }
}

impl Pair {
    /// Maps the split mirror for reading.
    pub fn mirror_view(&self) -> Result<MirrorView> {
        let _entered = self.enter(Verb::OpenMirror, "idle", false)?;
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let length = self.leg.catalog().record().length as usize;
        let (bytes, stamp) = (mirror.view()?, mirror.stamp()?);
        let mirror = (stamp.device, stamp.inode);
        *live().entry(mirror).or_default() += 1;
        Ok(MirrorView { bytes, length, mirror })
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
        mirror.read_at(buffer.get_mut(..room).unwrap_or_default(), offset)
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

    /// Refuses while mappings of the mirror are held: by those who look at it, and, where it was a source before, by a
    /// program that may still store into it.
    pub(super) fn check_no_views(&self) -> Result<()> {
        let mirror = self.mirror_reader()?;
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
