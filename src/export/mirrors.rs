//! The split mirrors as files: their names and numbers, and who has one open.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fuser::{FileAttr, INodeNo};
use uuid::Uuid;

use super::attributes::{MIRRORS, of_mirror};
use crate::area::Ownership;
use crate::error::Result;
use crate::pair::MirrorFile;
use crate::volume::{Leg, Volume};

/// The name of the live source, which no mirror gets.
pub(super) const VOLUME_NAME: &str = "volume";

/// Numbers that were given, and files that are open.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    /// The points that were ever seen, by mirror and generation. A number is never given to another one: the kernel keeps
    /// pages by it.
    numbered: Mutex<Vec<(Uuid, u64)>>,
    open: RwLock<BTreeMap<u64, Arc<MirrorFile>>>,
    next: AtomicU64,
}

impl Mirrors {
    /// The mirrors that are split, each with its number and its name, which is that of its file.
    pub(super) fn list(&self, volume: &Volume) -> Vec<(INodeNo, OsString, Arc<Leg>)> {
        let split: Vec<Arc<Leg>> =
            volume.legs().into_iter().filter(|leg| volume.frozen_mirror(leg).is_some()).collect();
        let name = |leg: &Leg| leg.mirror_path().file_name().unwrap_or_default().to_owned();
        let all: Vec<OsString> = volume.legs().iter().map(|leg| name(leg)).collect();
        split
            .into_iter()
            .map(|leg| {
                let mut own = name(&leg);
                let told_apart = own.as_encoded_bytes().contains(&b'~')
                    || own == VOLUME_NAME
                    || all.iter().filter(|other| **other == own).count() > 1;
                if told_apart {
                    let id = leg.pair_id().simple().to_string();
                    own.push("~");
                    own.push(id.get(..8).unwrap_or_default());
                }
                let generation = leg.catalog().record().generation;
                (self.number((leg.pair_id(), generation)), own, leg)
            })
            .collect()
    }

    fn number(&self, id: (Uuid, u64)) -> INodeNo {
        let mut numbered = self.numbered.lock().unwrap_or_else(PoisonError::into_inner);
        let place = numbered.iter().position(|known| *known == id).unwrap_or_else(|| {
            numbered.push(id);
            numbered.len() - 1
        });
        INodeNo(MIRRORS.0 + place as u64)
    }

    /// A split mirror by its name.
    pub(super) fn named(&self, volume: &Volume, name: &OsStr) -> Option<(INodeNo, Arc<Leg>)> {
        let found = self.list(volume).into_iter().find(|(_, own, _)| own == name);
        found.map(|(inode, _, leg)| (inode, leg))
    }

    /// A split mirror by its number.
    pub(super) fn numbered(&self, volume: &Volume, inode: INodeNo) -> Option<Arc<Leg>> {
        let found = self.list(volume).into_iter().find(|(number, ..)| *number == inode);
        found.map(|(_, _, leg)| leg)
    }

    pub(super) fn open(&self, volume: &Arc<Volume>, leg: &Arc<Leg>) -> Result<Option<u64>> {
        let Some(file) = MirrorFile::open(volume, leg)? else { return Ok(None) };
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(handle, Arc::new(file));
        Ok(Some(handle))
    }

    pub(super) fn file(&self, handle: u64) -> Option<Arc<MirrorFile>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(&handle).cloned()
    }

    pub(super) fn close(&self, handle: u64) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&handle);
    }
}

/// What `stat` tells of a split mirror.
pub(super) fn attributes_of(inode: INodeNo, leg: &Leg, owner: Ownership) -> FileAttr {
    let catalog = leg.catalog();
    let record = catalog.record();
    let taken_ns = record.point.as_ref().map_or(0, |point| point.taken_ns);
    of_mirror(inode, record.length, taken_ns, owner)
}
