//! What the volume does when one mirror takes the place of another's copy.

use std::sync::{Arc, MutexGuard};

use super::{Leg, Side, Volume, unpoisoned};
use crate::area::Reader;
use crate::bitmap::Bitmap;
use crate::units::OFFSET_MAX;

impl Volume {
    /// Held while something begins that must not begin beside a restore, or a restore does.
    pub fn starting(&self) -> MutexGuard<'_, ()> {
        unpoisoned(&self.starts)
    }

    /// A mirror that is being synchronized, if one is.
    pub fn synchronizing(&self) -> Option<Arc<Leg>> {
        self.look(|phase| {
            let mut legs = phase.legs.iter();
            let found = legs.find(|attached| matches!(attached.side, Side::Synchronizing(_)));
            found.map(|attached| Arc::clone(&attached.leg))
        })
    }

    /// Nothing is written to a mirror any more: what is written to the source is marked.
    pub fn stop_following(&self, leg: &Leg) {
        let _handles = leg.own_handles();
        self.close_gate().put(leg, Side::Absent);
    }

    /// A mirror has become a copy of another, split one: it is split too, and differs from the source where that one
    /// does, believed as that one is.
    pub fn copy_standing(&self, from: &Leg, to: &Leg, mirror: Reader) {
        let mut gate = self.close_gate();
        to.dirty().clear_all();
        to.dirty()
            .make_room(to.block_size().count(from.dirty().blocks() * from.block_size().bytes()));
        let mark = |blocks: &Bitmap| {
            for extent in blocks.extents(from.block_size(), OFFSET_MAX) {
                to.mark(extent);
            }
        };
        mark(from.dirty());
        if let Some(restore) = gate.restore_of(from) {
            // What the copier has taken out of the marks may not have reached the storage yet.
            mark(restore.planned());
        }
        to.belief().copy(from.belief());
        to.set_recovered(from.is_recovered());
        gate.put(to, Side::Frozen(mirror));
    }
}
