//! A writable mapping of an area: memory of the program's that *is* the area's bytes. A store into it goes round the
//! volume; what was stored into is found afterwards, by scanning.

use std::fmt::Debug;

use crate::error::Result;
use crate::units::Extent;

/// How stores into a mapping are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreTracking {
    /// By the kernel where it can, else by comparing.
    #[default]
    Auto,
    /// By the kernel, page by page; refused where it cannot.
    Pages,
    /// By comparing the source with its mirrors.
    Compare,
}

impl StoreTracking {
    /// The word that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Pages => "pages",
            Self::Compare => "compare",
        }
    }
}

/// What a scan has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Whole pages of the area that were stored into since the scan before, sorted. They are watched anew: a store
    /// that comes later is found by the next scan, so whoever reads them after this scan misses nothing.
    pub pages: Vec<Extent>,
    /// Where to go on; `None`: the scan has reached the end.
    pub next: Option<u64>,
}

/// Bytes of an area as memory of this process. It lives as long as somebody holds it.
pub trait Mapping: Send + Sync + Debug {
    /// Which bytes of the area: whole pages.
    fn extent(&self) -> Extent;
    /// Where the first of them is in memory.
    fn address(&self) -> *mut u8;
    /// Whether a scan finds every store. Not without the kernel's help, and not any more once this process has forked:
    /// the child may store too, and nobody sees that.
    fn is_tracked(&self) -> bool;
    /// Whether it was tracked and is not any more.
    fn is_lost(&self) -> bool;
    /// What was stored into since the last scan, from an offset on and in a bounded number of runs.
    fn scan(&self, from: u64) -> Result<Scanned>;
}
