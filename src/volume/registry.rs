//! Which sources are open in this process: pairs of the same source share one volume.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use uuid::Uuid;

use super::{Leg, Settings, Source, Volume, unpoisoned};
use crate::area::Host;
use crate::catalog::{Catalog, Record};
use crate::error::{Error, Result};

/// Volumes that take mirrors in. Held while one is opened, joined or left, so that two never open one source.
static OPEN: Mutex<Vec<Weak<Volume>>> = Mutex::new(Vec::new());

/// A mirror that a pair object has got, with its volume.
#[derive(Debug)]
pub struct Entrance {
    /// The controller.
    pub volume: Arc<Volume>,
    /// The mirror.
    pub leg: Arc<Leg>,
}

pub(super) fn open_volumes() -> MutexGuard<'static, Vec<Weak<Volume>>> {
    let mut open = unpoisoned(&OPEN);
    open.retain(|volume| volume.strong_count() > 0);
    open
}

/// The mirror of a pair that is open here already because another pair of its source is. One that a pair object has
/// is in use.
pub fn claim_open(host: &dyn Host, pair_id: Uuid) -> Result<Option<Entrance>> {
    let open = open_volumes();
    for volume in open.iter().filter_map(Weak::upgrade).filter(|volume| volume.is_on(host)) {
        let found = volume.legs().into_iter().find(|leg| leg.pair_id() == pair_id);
        let Some(leg) = found else { continue };
        if !leg.claim() {
            let path = leg.folder().to_path_buf();
            return Err(Error::PairInUse { path, pid: std::process::id() });
        }
        return Ok(Some(Entrance { volume, leg }));
    }
    Ok(None)
}

/// The identity that the source at a path has in this process, when it is open here.
pub fn identity_of(host: &dyn Host, source: &crate::area::Stamp) -> Option<Uuid> {
    let legs = volume_of(host, source)?.legs();
    legs.first().map(|leg| leg.catalog().record().volume_id)
}

/// The volume of which a file is the source, when it is open here.
pub(super) fn volume_of(host: &dyn Host, source: &crate::area::Stamp) -> Option<Arc<Volume>> {
    let open = open_volumes();
    let mut volumes = open.iter().filter_map(Weak::upgrade);
    volumes.find(|volume| volume.is_on(host) && volume.is_of(source))
}

/// Makes an opened catalog's mirror part of the volume of its source, which is opened when it is not yet, with all its
/// other mirrors.
pub fn attach(
    host: Arc<dyn Host>,
    settings: Settings,
    catalog: Catalog,
    mirror_path: PathBuf,
    source_path: Option<PathBuf>,
) -> Result<Entrance> {
    let mut open = open_volumes();
    let record = catalog.record().clone();
    let source_path = source_path.unwrap_or_else(|| record.source.path.0.clone());
    let found = host.find(&source_path)?;
    let known = open.iter().filter_map(Weak::upgrade).find(|volume| {
        let same = match &found {
            Some(found) => volume.is_of(&found.stamp),
            // Without a file there is the name: a copy of a source (`cp -a`) carries the same identity.
            None => volume.lacks(&source_path) && volume.is_known_as(&record),
        };
        volume.is_on(&*host) && same
    });
    let volume = match known {
        Some(volume) => volume,
        None => {
            let source = Source::find(&*host, &source_path, record.mode, &[mirror_path.as_path()])?;
            let volume = Volume::new(host, settings, source_path, source, record.block_size);
            open.push(Arc::downgrade(&volume));
            volume
        }
    };
    let leg = volume.join(catalog, mirror_path)?;
    leg.claim();
    volume.open_siblings();
    Ok(Entrance { volume, leg })
}

impl Volume {
    /// Whether it is open here.
    fn is_on(&self, host: &dyn Host) -> bool {
        // A forked child has its parent's list: those volumes are the parent's.
        self.host.machine() == host.machine() && self.process == std::process::id()
    }

    /// Whether this file is its source.
    fn is_of(&self, found: &crate::area::Stamp) -> bool {
        self.look(|phase| phase.source.as_ref().and_then(|source| source.stamp().ok()))
            .is_some_and(|stamp| stamp.same_file(found))
    }

    /// Whether its source is missing at that path.
    fn lacks(&self, path: &Path) -> bool {
        self.source_path == path && self.look(|phase| phase.source.is_none())
    }

    /// Whether its mirrors are of the same source, as their records say.
    fn is_known_as(&self, record: &Record) -> bool {
        self.legs().iter().any(|leg| leg.catalog().record().volume_id == record.volume_id)
    }
}
