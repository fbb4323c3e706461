//! Programs that reach the volume through the kernel, which then holds bytes of it that the volume does not know of.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::{Volume, unpoisoned};
use crate::error::Result;

/// A place where the volume is served to programs: a mount. Its calls are made by verbs, which hold neither the gate
/// nor a stripe, and never by a thread that serves: it would wait for itself.
pub trait Export: Send + Sync + Debug {
    /// The file that programs see as the source.
    fn path(&self) -> PathBuf;
    /// Brings what programs have stored into mapped memory to the volume, and makes it durable; what they look at next is
    /// read anew.
    fn write_back(&self) -> Result<()>;
    /// As [`Export::write_back`], and the length and the times are asked for anew too.
    fn invalidate(&self) -> Result<()>;
}

#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<Vec<Arc<dyn Export>>>);

impl Volume {
    /// From now on verbs take this export into account.
    pub fn add_export(&self, export: Arc<dyn Export>) {
        unpoisoned(&self.exports.0).push(export);
    }

    /// It is not served there any more.
    pub fn remove_export(&self, export: &Arc<dyn Export>) {
        unpoisoned(&self.exports.0).retain(|other| !Arc::ptr_eq(other, export));
    }

    /// Where it is served.
    pub fn exports(&self) -> Vec<Arc<dyn Export>> {
        unpoisoned(&self.exports.0).clone()
    }

    /// What programs stored into mapped memory so far is in the volume, and durable, when this returns.
    pub fn write_back_exports(&self) -> Result<()> {
        self.exports().iter().try_for_each(|export| export.write_back())
    }

    /// The bytes have changed under those who look.
    pub fn invalidate_exports(&self) -> Result<()> {
        self.exports().iter().try_for_each(|export| export.invalidate())
    }
}
