//! A restore that was pending when its mirror was last closed: it is in effect again as soon as the mirror has joined,
//! and the other mirrors stand still beside it.

use std::sync::Arc;

use super::restoring::Beginning;
use super::{Leg, Phase, Restoring, Running, Side};
use crate::catalog::MapKind;
use crate::error::{Error, Result};

/// A restore that was pending when the pair was last closed, or its process ended.
pub(super) fn load_restore(leg: &Leg, side: &Side) -> Result<Option<Restoring>> {
    let mut catalog = leg.catalog();
    let (Some(pending), Side::Frozen(mirror)) = (catalog.record().pending.clone(), side) else {
        return Ok(None);
    };
    let mut layers = catalog.load_map(MapKind::Restore)?.unwrap_or_default().into_iter();
    let (Some(blocks), Some(planned), Some(app_written)) =
        (layers.next(), layers.next(), layers.next())
    else {
        return Err(Error::CatalogCorrupt {
            path: catalog.folder().to_path_buf(),
            problem: "the list of blocks that are still to be restored is damaged".into(),
        });
    };
    let scope = catalog.load_scope(&pending.scope)?;
    let seal = catalog.read_seal()?.map(Arc::new);
    let record = catalog.record();
    Ok(Some(Restoring::new(Beginning {
        id: pending.id,
        mirror: mirror.clone(),
        seal,
        block_size: record.block_size,
        length: record.length,
        scope,
        resize: pending.resize,
        pending: blocks,
        planned,
        app_written,
    })))
}

impl Phase {
    /// Blocks that a restore has still to bring back differ in every other mirror, or will; one that followed the source
    /// stands still until an establish. On disk too once the restore goes on (`tell_others`).
    pub(super) fn stand_still_beside_restore(&mut self) {
        let Some(Running { leg, restore }) = &self.restore else { return };
        let pending = restore.pending_extents();
        for other in self.legs.iter_mut().filter(|other| !other.leg.is(leg)) {
            let size = other.leg.block_size();
            let end = pending.last().map_or(0, |extent| extent.end());
            other.leg.dirty().make_room(size.count(end));
            pending.iter().for_each(|extent| other.leg.mark(*extent));
            if matches!(other.side, Side::Synchronized(_)) && !pending.is_empty() {
                other.side = Side::Absent;
            }
        }
    }
}
