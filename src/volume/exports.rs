//! Programs that reach the volume through the kernel, which then holds bytes of it that the volume does not know of.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{Volume, checked, unpoisoned};
use crate::error::Result;

/// A place where the volume is served to programs: a mount. Its calls wait for serving threads, which wait for whatever a
/// write waits for. So they are made by verbs that hold no lock but their pair's turn, and never by a thread that serves.
pub trait Export: Send + Sync + Debug {
    /// The file that programs see as the source.
    fn path(&self) -> PathBuf;
    /// The number of the file system that it is on.
    fn device(&self) -> u64;
    /// Brings what programs have stored into mapped memory to the volume, and makes it durable; what they look at next is
    /// read anew.
    fn write_back(&self) -> Result<()>;
    /// As [`Export::write_back`], and the length and the times are asked for anew too.
    fn invalidate(&self) -> Result<()>;
}

#[derive(Debug, Default)]
pub(super) struct Exports {
    places: Mutex<Vec<Arc<dyn Export>>>,
    /// How many pages that programs have mapped were written so far, in calls.
    mapped_writes: AtomicU64,
}

impl Volume {
    /// From now on verbs take this export into account.
    pub fn add_export(&self, export: Arc<dyn Export>) {
        unpoisoned(&self.exports.places).push(export);
    }

    /// It is not served there any more.
    pub fn remove_export(&self, export: &Arc<dyn Export>) {
        unpoisoned(&self.exports.places).retain(|other| !Arc::ptr_eq(other, export));
    }

    /// Where it is served.
    pub fn exports(&self) -> Vec<Arc<dyn Export>> {
        unpoisoned(&self.exports.places).clone()
    }

    /// What programs stored into mapped memory so far is in the volume, and durable, when this returns. Whether there was
    /// any: then they may be storing still.
    pub fn write_back_exports(&self) -> Result<bool> {
        let before = self.exports.mapped_writes.load(Ordering::Acquire);
        self.exports().iter().try_for_each(|export| export.write_back())?;
        Ok(self.exports.mapped_writes.load(Ordering::Acquire) != before)
    }

    /// As [`Volume::write`], of a page that a program has mapped: a restore lists it as such, for nobody knows how old the
    /// rest of the page is.
    pub fn write_mapped(&self, data: &[u8], offset: u64) -> Result<()> {
        let extent = checked(offset, data.len())?;
        self.exports.mapped_writes.fetch_add(1, Ordering::AcqRel);
        self.look(|phase| {
            if let Some(running) = &phase.restore {
                running.restore.note_mapped(extent);
            }
        });
        self.write(data, offset)
    }

    /// The bytes have changed under those who look. What has taken effect stays so when the kernel cannot be told.
    pub fn invalidate_exports(&self) {
        for export in self.exports() {
            if let Err(error) = export.invalidate() {
                log::error!(
                    target: "splitmirror.volume",
                    "programs that have {} mapped may go on seeing what was there before: {error}",
                    export.path().display()
                );
            }
        }
    }
}
