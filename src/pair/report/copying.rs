//! Reports of the verbs that copy.

use serde::Serialize;

use super::{PairNow, StampReport};
use crate::engine::{CopyPlan, CopyStats};
use crate::pair::provenance::ProvenanceRun;
use crate::units::{BlockSize, Extent};

/// What copying took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyReport {
    /// Why these blocks (I7).
    pub reason: &'static str,
    /// `copy` or `compare`.
    pub method: crate::state::Method,
    /// Blocks of the area.
    pub blocks_total: u64,
    /// Blocks that were looked at.
    pub blocks_examined: u64,
    /// Blocks of which at least one byte was written or punched.
    pub blocks_copied: u64,
    /// Blocks of the area that were left as they were.
    pub blocks_skipped: u64,
    /// Bytes written.
    pub bytes_copied: u64,
    /// Bytes turned into holes.
    pub bytes_punched: u64,
    /// Duration.
    pub seconds: f64,
}

impl CopyReport {
    pub(in crate::pair) fn of(
        plan: &CopyPlan,
        stats: CopyStats,
        size: BlockSize,
        length: u64,
        seconds: f64,
    ) -> Self {
        let blocks_total = size.count(length);
        Self {
            reason: plan.reason.name(),
            method: plan.method,
            blocks_total,
            blocks_examined: stats.blocks_examined.min(blocks_total),
            blocks_copied: stats.blocks_copied.min(blocks_total),
            blocks_skipped: blocks_total.saturating_sub(stats.blocks_copied),
            bytes_copied: stats.bytes_copied,
            bytes_punched: stats.bytes_punched,
            seconds,
        }
    }
}

/// The source was, or was not, written by others meanwhile.
pub(in crate::pair) fn outside_writes(suspected: bool) -> &'static str {
    if suspected { "suspected" } else { "none" }
}

/// Of `establish()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct EstablishReport {
    #[serde(flatten)]
    pub pair: PairNow,
    #[serde(flatten)]
    pub copy: CopyReport,
    pub source_length: u64,
    pub outside_writes: &'static str,
}

/// Of `split()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct SplitReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub generation: u64,
    pub label: Option<String>,
    pub taken_at: f64,
    pub consistency: &'static str,
    pub length: u64,
    pub writers_paused_seconds: f64,
    pub seconds: f64,
    pub mirror_stamp: StampReport,
}

/// Of `refresh()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct RefreshReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub establish: EstablishReport,
    pub split: SplitReport,
}

/// Of `repair()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct RepairReport {
    #[serde(flatten)]
    pub pair: PairNow,
    #[serde(flatten)]
    pub copy: CopyReport,
    pub from_mirror: String,
    pub generation: u64,
    pub label: Option<String>,
}

/// Of a restore.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct Receipt {
    #[serde(flatten)]
    pub pair: PairNow,
    pub generation: u64,
    pub label: Option<String>,
    pub source: String,
    pub to: Option<String>,
    #[serde(flatten)]
    pub copy: CopyReport,
    pub blocks_app_written: u64,
    pub restore_id: Option<String>,
    pub block_size: u64,
    pub provenance: Vec<ProvenanceRun>,
    pub length_before: Option<u64>,
    pub length_after: u64,
    pub mirror_stamp_before: StampReport,
    pub mirror_stamp_after: StampReport,
    pub root_before: Option<String>,
    pub root_after: Option<String>,
    pub mirror_unchanged: bool,
    pub outside_writes: &'static str,
    pub complete: bool,
    pub unrestored: Vec<Extent>,
    pub resumed: bool,
}
