//! A split mirror, read from outside: without the pair's lock, so also beside the process that has it open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::status::folder_of;
use crate::area::{Access, Host, Reader};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, Record, Seal};
use crate::error::{Error, Result};
use crate::state::{State, Verb};
use crate::units::{BlockRun, Extent};
use crate::volume::check_identity;

/// A mirror at its point in time, for reading. Nothing is locked or written, not even a time of access.
///
/// The process that has the pair open may establish at any time. It records that before it changes the first byte of the
/// mirror; so what was read is of the point as long as [`PointReader::check`], called afterwards, finds it still recorded.
#[derive(Debug)]
pub struct PointReader {
    host: Arc<dyn Host>,
    folder: PathBuf,
    mirror: Reader,
    pair_id: Uuid,
    generation: u64,
    length: u64,
    changed: bool,
    seal: Option<Seal>,
    /// Blocks that were found to be as they were sealed.
    checked: Bitmap,
}

impl PointReader {
    /// Opens the mirror of a pair that is split.
    pub fn open(host: Arc<dyn Host>, mirror: &Path, catalog: Option<&Path>) -> Result<Self> {
        let folder = folder_of(&*host, mirror, catalog)?;
        let record = Catalog::peek(&*host, &folder)?;
        if record.state != State::Split {
            return Err(Error::State {
                verb: Verb::OpenMirror.name(),
                state: record.state.name().into(),
                legal: crate::state::legal_verbs(super::situation(&record, false)),
            });
        }
        let found = host.find(mirror)?.ok_or_else(|| Error::NotFound { path: mirror.into() })?;
        check_identity(&*host, &found, &record)?;
        let mirror = Reader::new(host.open(&found.path, Access::Read)?);
        let changed = !mirror.stamp()?.same_content(&record.mirror.stamp);
        let seal = Catalog::peek_seal(&*host, &folder, &record);
        let Record { pair_id, generation, length, block_size, .. } = record;
        let checked = Bitmap::new(block_size.count(length));
        let mut opened = Self {
            host,
            folder,
            mirror,
            pair_id,
            generation,
            length,
            changed,
            seal: None,
            checked,
        };
        // An error of the seal may be of another point's.
        opened.check()?;
        opened.seal = seal?;
        Ok(opened)
    }

    /// Where the mirror is.
    pub fn path(&self) -> &Path {
        self.mirror.path()
    }

    /// Bytes of the source that it holds.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Which of the pair's points it is.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether it was written after its split, or its times were changed: it may not be the copy that was taken.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Reads up to `buffer.len()` bytes; fewer only at the end. A block that does not match the mirror's seal is an
    /// error, never given out.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let room = self.length.saturating_sub(offset).min(buffer.len() as u64);
        self.check_seal(Extent::new(offset, room))?;
        self.mirror.read_at(buffer.get_mut(..room as usize).unwrap_or_default(), offset)
    }

    /// Digests the blocks that are looked at for the first time.
    fn check_seal(&self, extent: Extent) -> Result<()> {
        let Some(seal) = self.seal.as_ref().filter(|_| extent.length > 0) else { return Ok(()) };
        let size = seal.block_size;
        for block in size.touching(extent).indexes().filter(|block| !self.checked.has(*block)) {
            let run = BlockRun { first: block, count: 1 };
            let whole = size.extent(run, self.length);
            let mut bytes = vec![0; whole.length as usize];
            self.mirror.read_exact_at(&mut bytes, whole.offset)?;
            seal.check(self.path(), block, &bytes)?;
            self.checked.set(run);
        }
        Ok(())
    }

    /// Refuses when the point is gone, so that what was read up to now may not be of it.
    pub fn check(&self) -> Result<()> {
        let gone = |problem: String| Error::PointGone { path: self.path().to_path_buf(), problem };
        let record = match Catalog::peek(&*self.host, &self.folder) {
            Ok(record) => record,
            Err(error) => return Err(gone(error.to_string())),
        };
        if record.state != State::Split {
            return Err(gone(format!("the pair is {} now", record.state.name())));
        }
        if record.pair_id != self.pair_id || record.generation != self.generation {
            return Err(gone("it was split anew".into()));
        }
        Ok(())
    }
}
