//! Siblings: the other mirrors of the same source. Each catalog knows of them, and the source carries their list, so
//! that whoever opens one opens all: a write is then mirrored or marked in each. One that cannot be opened is named,
//! and finds by the source's epoch that it has missed writes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::join::check_identity;
use super::{Source, Volume, unpoisoned};
use crate::catalog::{Catalog, Record, Sibling, StoredPath};
use crate::error::{Error, Result, shown};
use crate::state::Mode;

/// A mirror of the source that could not be opened.
#[derive(Debug, Clone)]
pub struct Missing {
    /// Which one.
    pub sibling: Sibling,
    /// Why.
    pub problem: String,
    /// Another process has it, and may be writing the same source.
    pub in_use: bool,
}

/// A mirror as its siblings know it.
fn sibling_of(record: &Record, folder: &Path) -> Sibling {
    Sibling {
        pair_id: record.pair_id,
        mirror: record.mirror.path.clone(),
        catalog: StoredPath(folder.to_path_buf()),
    }
}

impl Volume {
    /// Opens the mirrors of this source that are known of and not open yet.
    pub(super) fn open_siblings(&self) {
        let (mut missing, mut tried) = (Vec::new(), BTreeSet::new());
        // One that is opened may know of others: the source's list is as old as its last session.
        while let Some(sibling) =
            self.known_siblings().into_iter().find(|sibling| tried.insert(sibling.pair_id))
        {
            match self.open_sibling(&sibling) {
                Ok(()) => {}
                // It was detached: its mirror is there, and nobody's any more. Or this source is a copy (`cp -a`) of
                // the one that it is a mirror of.
                Err(Error::CatalogMissing { .. })
                    if matches!(self.host().find(&sibling.mirror.0), Ok(Some(_))) => {}
                Err(Error::SourceMissing { .. }) => {}
                Err(error) => {
                    let mirror = shown(&sibling.mirror.0);
                    log::info!(target: "splitmirror.volume", "the sibling {mirror} is not open: {error}");
                    let in_use = matches!(error, Error::PairInUse { .. });
                    missing.push(Missing { sibling, problem: error.to_string(), in_use });
                }
            }
        }
        let complete = missing.is_empty();
        *unpoisoned(&self.missing) = missing;
        if complete {
            // Whichever of them was being restored from, it has ended.
            self.settle_restoring();
        }
        if let Err(error) = self.know_each_other() {
            // They meet again: the source and the other catalogs know of them.
            log::warn!(target: "splitmirror.volume", "a catalog does not know its siblings: {error}");
        }
    }

    /// Where everything goes through the volume, there is one volume: a sibling that another process has open means that
    /// there is another. Asked before the first write; one that was given free meanwhile is opened.
    pub(super) fn check_only_volume(&self) -> Result<()> {
        let exclusive = self.legs().iter().any(|leg| leg.mode() == Mode::Exclusive);
        if !exclusive || !self.missing_siblings().iter().any(|missing| missing.in_use) {
            return Ok(());
        }
        let _open = super::registry::open_volumes();
        self.open_siblings();
        for missing in self.missing_siblings().into_iter().filter(|missing| missing.in_use) {
            let folder = missing.sibling.catalog.0;
            if let Some(pid) = Catalog::owner(&**self.host(), &folder) {
                return Err(Error::PairInUse { path: folder, pid });
            }
        }
        Ok(())
    }

    fn open_sibling(&self, sibling: &Sibling) -> Result<()> {
        let host = self.host();
        // First a look, which needs no lock: what is of another source is nobody's business here.
        let record = Catalog::peek(&**host, &sibling.catalog.0)?;
        let ours = |leg: &Arc<super::Leg>| leg.catalog().record().volume_id == record.volume_id;
        if record.pair_id != sibling.pair_id || !self.legs().iter().all(ours) {
            return Err(Error::MovedPair {
                path: sibling.mirror.0.clone(),
                problem: "it is the mirror of another pair by now".into(),
            });
        }
        if !self.is_source_of(&record)? {
            return Err(self.source_missing());
        }
        let catalog = Catalog::open(Arc::clone(host), &sibling.catalog.0)?;
        let found = host
            .find(&sibling.mirror.0)?
            .ok_or_else(|| Error::NotFound { path: sibling.mirror.0.clone() })?;
        check_identity(&**host, &found, catalog.record())?;
        self.join(catalog, found.path).map(drop)
    }

    /// Whether the source of a pair is the file that is open here: the one at its path, or none there either.
    fn is_source_of(&self, record: &Record) -> Result<bool> {
        let path = &record.source.path.0;
        let found = self.host().find(path)?.map(|found| found.stamp);
        let open =
            self.look(|phase| phase.source.as_ref().map(|source| source.stamp())).transpose()?;
        Ok(match (found, open) {
            (Some(found), Some(open)) => found.same_file(&open),
            (None, None) => path == self.source_path(),
            _ => false,
        })
    }

    /// The mirrors that catalogs and the source name, and that are not open here.
    fn known_siblings(&self) -> Vec<Sibling> {
        let legs = self.legs();
        let mut known: Vec<Sibling> =
            legs.iter().flat_map(|leg| leg.catalog().record().siblings.clone()).collect();
        if let Ok(source) = self.source()
            && let Ok(Some(list)) = source.reader().mirrors()
        {
            known.extend(serde_json::from_slice::<Vec<Sibling>>(&list).unwrap_or_default());
        }
        known.sort_by_key(|sibling| sibling.pair_id);
        known.dedup_by_key(|sibling| sibling.pair_id);
        known.retain(|sibling| legs.iter().all(|leg| leg.pair_id() != sibling.pair_id));
        known
    }

    /// All mirrors of the source that are there or missing.
    fn all_siblings(&self) -> Vec<Sibling> {
        let open = self.legs();
        let open = open.iter().map(|leg| sibling_of(leg.catalog().record(), leg.folder()));
        let missing = self.missing_siblings();
        let mut all: Vec<Sibling> =
            open.chain(missing.into_iter().map(|missing| missing.sibling)).collect();
        all.sort_by_key(|sibling| sibling.pair_id);
        all
    }

    /// Records in each catalog which others there are.
    pub(super) fn know_each_other(&self) -> Result<()> {
        let all = self.all_siblings();
        let mut result = Ok(());
        for leg in self.legs() {
            let others: Vec<Sibling> =
                all.iter().filter(|other| other.pair_id != leg.pair_id()).cloned().collect();
            let mut catalog = leg.catalog();
            if catalog.record().siblings != others {
                result = result.and(catalog.commit(|record| record.siblings = others));
            }
        }
        result
    }

    /// Gives the source the list of its mirrors, for a pair that will be made while none of these is open.
    pub(super) fn list_mirrors(&self, source: &Source) {
        let all = self.all_siblings();
        let list = if all.is_empty() { Ok(Vec::new()) } else { serde_json::to_vec(&all) };
        let Ok(list) = list else { return };
        let listed = match source.reader().mirrors() {
            Ok(Some(known)) if known == list => Ok(()),
            Ok(_) => source.set_mirrors(&list),
            Err(error) => Err(error),
        };
        if let Err(error) = listed {
            // Attributes have little room. Mirrors that have met know each other from their catalogs.
            log::info!(target: "splitmirror.volume", "the source does not list its mirrors: {error}");
        }
    }

    /// The mirrors of the source that could not be opened.
    pub fn missing_siblings(&self) -> Vec<Missing> {
        unpoisoned(&self.missing).clone()
    }
}
