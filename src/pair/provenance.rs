//! Provenance: where each block of a restored source is from (R10).
//!
//! | word | the block |
//! |---|---|
//! | `kept` | was equal to the mirror already, and stayed |
//! | `mirror` | was brought back from the mirror |
//! | `app-written` | was written by the application since the restore took effect, whatever it was before |
//! | `mapped-write` | was pending, and was written from a page that a program had mapped through a mount; the rest of the page may be older than the restore |
//! | `pending` | is still to be brought back (an incomplete restore) |

use serde::Serialize;

use super::Pair;
use crate::bitmap::Bitmap;
use crate::catalog::MapKind;
use crate::error::{Error, Result};
use crate::units::BlockSize;
use crate::volume::Restoring;

/// A run of blocks of one origin; what is not listed was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProvenanceRun {
    /// First byte.
    pub offset: u64,
    /// Bytes; the last block may be shorter.
    pub length: u64,
    /// `mirror`, `app-written`, `mapped-write` or `pending`.
    pub origin: &'static str,
}

/// Where the blocks are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provenance {
    pub(super) runs: Vec<ProvenanceRun>,
    pub(super) app_written: u64,
}

impl Provenance {
    pub(super) fn of(restore: &Restoring, size: BlockSize) -> Self {
        let (pending, planned) = (restore.pending(), restore.planned());
        let (app_written, length) = (restore.app_written(), restore.length());
        let from_mirror = planned.snapshot();
        from_mirror.remove(pending);
        from_mirror.remove(app_written);
        let mut runs = Vec::new();
        let mut add = |blocks: &Bitmap, origin: &'static str| {
            for run in blocks.runs() {
                let extent = size.extent(run, length);
                runs.push(ProvenanceRun { offset: extent.offset, length: extent.length, origin });
            }
        };
        add(&from_mirror, "mirror");
        let mapped = restore.mapped().snapshot();
        mapped.remove(pending);
        let plainly = app_written.snapshot();
        plainly.remove(&mapped);
        add(&plainly, "app-written");
        add(&mapped, "mapped-write");
        add(pending, "pending");
        runs.sort_unstable_by_key(|run| run.offset);
        Self { runs, app_written: app_written.count() }
    }
}

impl Pair {
    /// The blocks that the application wrote during the restore that a receipt is of. Refused when that is not the
    /// last one from this point, or has not ended.
    pub(super) fn written_during(&self, restore_id: &str) -> Result<Bitmap> {
        let stale = |problem: &str| Err(Error::StalePlan { problem: problem.into() });
        let mut catalog = self.leg.catalog();
        let record = catalog.record();
        match &record.restored {
            _ if record.pending.is_some() => stale("a restore is pending"),
            Some(last) if last.id.to_string() != restore_id => {
                stale("it is not the receipt of the last restore")
            }
            Some(last) if last.generation != record.generation => {
                stale("the mirror holds another point in time by now")
            }
            None => stale("it is not the receipt of the last restore from this point"),
            Some(_) => {
                let layers = catalog.load_map(MapKind::Restore)?;
                match layers.and_then(|layers| layers.into_iter().nth(2)) {
                    Some(app_written) => Ok(app_written),
                    None => Err(Error::CatalogCorrupt {
                        path: catalog.folder().to_path_buf(),
                        problem: "the record of what the application wrote is damaged".into(),
                    }),
                }
            }
        }
    }
}
