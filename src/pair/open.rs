//! Opening a pair: find it by its mirror, lock it, and take its place in the volume of its source.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::Pair;
use crate::area::{Host, descent};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::volume::{Entrance, Settings, attach, check_identity, claim_open};

/// How to open a pair.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Where the catalog is, when not beside the mirror.
    pub catalog: Option<PathBuf>,
    /// Where the source is now, when it was moved.
    pub source: Option<PathBuf>,
    /// How the volume works; of no use when its source is open already.
    pub settings: Settings,
}

impl Pair {
    /// Opens the pair of a mirror. Neither source nor mirror is written. When another pair of the source is open in this
    /// process, both share its volume.
    pub fn open(host: Arc<dyn Host>, mirror: &Path, options: OpenOptions) -> Result<Self> {
        let mirror = host.absolute(mirror)?;
        let folder = match &options.catalog {
            Some(folder) => host.absolute(folder)?,
            None => host.catalog_folder(&mirror)?,
        };
        let known = Catalog::peek(&*host, &folder)?;
        let found = host.find(&mirror)?.ok_or_else(|| Error::NotFound { path: mirror.clone() })?;
        check_identity(&*host, &found, &known)?;
        if let Some(entrance) = claim_open(&*host, known.pair_id)? {
            return Self::entered(entrance);
        }
        let catalog = Catalog::open(Arc::clone(&host), &folder)?;
        let source = options.source.as_deref().map(|path| host.absolute(path)).transpose()?;
        Self::assemble(host, catalog, found.path, source, options.settings)
    }

    /// Makes a pair of an opened catalog whose mirror is the recorded one.
    pub(super) fn assemble(
        host: Arc<dyn Host>,
        catalog: Catalog,
        mirror_path: PathBuf,
        source: Option<PathBuf>,
        settings: Settings,
    ) -> Result<Self> {
        Self::entered(attach(host, settings, catalog, mirror_path, source)?)
    }

    fn entered(entrance: Entrance) -> Result<Self> {
        let Entrance { volume, leg } = entrance;
        let pair = Self {
            volume,
            leg,
            process: std::process::id(),
            descent: descent(),
            closed: AtomicBool::new(false),
            activity: Mutex::new("idle"),
            verbs: Mutex::new(()),
            job: Mutex::new(None),
        };
        pair.revisit()?;
        Ok(pair)
    }
}
