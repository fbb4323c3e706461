//! A read: from the source, except for what a restore has still to bring back.

use super::{Origin, Volume, checked};
use crate::error::Result;

impl Volume {
    /// Reads up to `buffer.len()` bytes of the source; fewer only at its end.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let extent = checked(offset, buffer.len())?;
        let phase = self.gate();
        let source = phase.source.as_ref().ok_or_else(|| self.source_missing())?;
        let Some(restore) = phase.restore.as_ref().filter(|restore| restore.touches(extent)) else {
            return source.reader().read_at(buffer, offset);
        };
        let mut total = 0;
        for piece in self.stripes.pieces(extent) {
            let _lock = self.stripes.lock(piece);
            for (part, origin) in restore.origins(piece) {
                let start = (part.offset - offset) as usize;
                let bytes = buffer.get_mut(start..start + part.length as usize).unwrap_or_default();
                let read = match origin {
                    Origin::Source => source.reader().read_at(bytes, part.offset)?,
                    Origin::Mirror => restore.read_mirror(bytes, part.offset)?,
                };
                total += read;
                if read < bytes.len() {
                    return Ok(total);
                }
            }
        }
        Ok(total)
    }

    /// The length of the source as a reader sees it: during a whole restore, the restored one.
    pub fn length(&self) -> Result<u64> {
        let phase = self.gate();
        match phase.restore.as_ref().and_then(|restore| restore.target_length()) {
            Some(length) => Ok(length),
            None => phase.source.as_ref().ok_or_else(|| self.source_missing())?.reader().length(),
        }
    }
}
