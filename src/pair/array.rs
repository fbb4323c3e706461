//! `array`: part of the source as memory of the program's, which may store into it at any time from then on.

use std::sync::Arc;

use super::Pair;
use crate::area::{Host, Mapping, Stamp, StoreTracking};
use crate::error::{Error, Result};
use crate::state::Verb;
use crate::units::Extent;
use crate::volume::take_back;

/// How the memory is handed out.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArrayOptions {
    /// How stores are found.
    pub tracking: StoreTracking,
    /// Mirrors follow at `flush()` and at verbs only, not by themselves.
    pub on_flush: bool,
}

/// Bytes of the source as memory. Outlives the pair: the file stays mapped until it is dropped.
pub struct ArrayView {
    mapping: Option<Arc<dyn Mapping>>,
    extent: Extent,
    host: Arc<dyn Host>,
    source: Stamp,
}

impl std::fmt::Debug for ArrayView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ArrayView of {:?}", self.extent)
    }
}

impl ArrayView {
    /// Where its first byte is in memory, and how many there are.
    pub fn place(&self) -> (*mut u8, usize) {
        let Some(mapping) = &self.mapping else { return (std::ptr::null_mut(), 0) };
        let start = (self.extent.offset - mapping.extent().offset) as usize;
        (mapping.address().wrapping_add(start), self.extent.length as usize)
    }
}

impl Drop for ArrayView {
    fn drop(&mut self) {
        let Some(mapping) = self.mapping.take() else { return };
        if let Err(error) = take_back(&*self.host, &self.source, mapping) {
            log::error!(target: "splitmirror.pair", "the last stores into an array: {error}");
        }
    }
}

impl Pair {
    /// Hands out part of the source as memory.
    pub fn array(&self, offset: u64, length: u64, options: ArrayOptions) -> Result<ArrayView> {
        let _entered = self.enter(Verb::Array, "idle", false)?;
        // A restore that begins meanwhile would not know of it.
        let _start = self.volume.starting();
        self.refuse_beside(Verb::Array)?;
        let source = self.volume.source()?;
        let limit = source.reader().length()?;
        let extent = Extent::checked(offset, length)
            .filter(|extent| extent.end() <= limit)
            .ok_or(Error::Range { offset, length, limit })?;
        if extent.is_empty() {
            return Err(Error::argument("length", "no byte of the source would be handed out"));
        }
        let mapping = self.volume.hand_out(extent, options.tracking, !options.on_flush)?;
        let host = Arc::clone(self.volume.host());
        Ok(ArrayView { mapping: Some(mapping), extent, host, source: source.stamp()? })
    }

    /// Refuses a new length of the source that would cut it under memory that is handed out.
    pub(super) fn check_arrays_stay(&self, new_length: Option<u64>) -> Result<()> {
        match new_length {
            Some(length) if self.volume.handed_out_end()? > length => {
                let views = self.volume.handed_out()?.map_or(0, |out| out.views);
                Err(Error::ViewsLive {
                    views,
                    of: "the source, which would become shorter under them,",
                })
            }
            _ => Ok(()),
        }
    }
}
