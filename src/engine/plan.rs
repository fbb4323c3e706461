//! What to copy and why: decided before anything is touched, so that a dry run is to stop after the plan.

use crate::area::Reader;
use crate::error::Result;
use crate::state::{Method, Reason};
use crate::units::{BlockSize, Extent, intersected, merged, total_bytes};

/// Which bytes of one area are brought to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyPlan {
    /// Why these (I7).
    pub reason: Reason,
    /// Copied as they are, or only where the two sides differ.
    pub method: Method,
    /// The bytes, sorted and merged. Nothing outside them is read or written.
    pub extents: Vec<Extent>,
    /// The length that the target has afterwards; `None`: it is not changed.
    pub target_length: Option<u64>,
    /// Nothing that may differ is left out, whatever is marked.
    pub covers_all: bool,
}

impl CopyPlan {
    /// The bytes that are looked at.
    pub fn bytes(&self) -> u64 {
        total_bytes(&self.extents)
    }

    /// Leaves out the blocks that are holes on both sides: nothing differs there and nothing has to be read.
    pub fn without_common_holes(
        mut self,
        from: &Reader,
        to: Option<&Reader>,
        size: BlockSize,
    ) -> Result<Self> {
        let mut data = Vec::new();
        for extent in &self.extents {
            data.extend(from.data_extents(*extent)?);
            if let Some(to) = to {
                data.extend(to.data_extents(*extent)?);
            }
        }
        if let Some(to) = to {
            // When a file grows, a file system may turn the hole that it ended in into data.
            data.push(Extent::new(to.length()?.saturating_sub(1), 1));
        }
        // Whole blocks: a write into the hole part of a block that is still to be copied is left to the copier.
        let blocks = data.into_iter().map(|extent| size.aligned_out(extent, u64::MAX)).collect();
        self.extents = intersected(&self.extents, &merged(blocks));
        Ok(self)
    }
}
