//! The catalog of one pair, open: commits of the record with bitmaps, the seal, the history, the lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pages::{Pages, file_extent, file_length, pages_for};
use super::{Event, MapKind, Record, Seal, header, history, seal, slots};
use crate::area::{Access, Host, Lock, Order, Reader, Writer};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};

pub(super) const NAME: &str = "catalog";
pub(super) const NEXT_NAME: &str = "catalog.next";
pub(super) const LOCK_NAME: &str = "lock";

/// An open catalog. Dropping it gives the lock back.
#[derive(Debug)]
pub struct Catalog {
    host: Arc<dyn Host>,
    folder: PathBuf,
    /// None once it was given back.
    file: Option<Writer>,
    record: Record,
    sequence: u64,
    pages: Pages,
    lock: Option<Box<dyn Lock>>,
}

impl Catalog {
    /// Whether a folder holds a catalog.
    pub fn exists(host: &dyn Host, folder: &Path) -> Result<bool> {
        Ok(host.find(&folder.join(NAME))?.is_some())
    }

    pub(super) fn new(
        host: Arc<dyn Host>,
        folder: &Path,
        file: Writer,
        (sequence, record): (u64, Record),
        lock: Box<dyn Lock>,
    ) -> Self {
        let folder = folder.to_path_buf();
        let (file, lock) = (Some(file), Some(lock));
        Self { host, folder, file, record, sequence, pages: Pages::default(), lock }
    }

    /// Opens the catalog in a folder and locks it. Nothing is written.
    pub fn open(host: Arc<dyn Host>, folder: &Path) -> Result<Self> {
        let path = check(&*host, folder)?;
        let lock = host.lock(&folder.join(LOCK_NAME))?;
        let file = Writer::new(host.open(&path, Access::Write)?);
        let content = read(&*host, &file.reader(), &path)?;
        Ok(Self::new(host, folder, file, content, lock))
    }

    /// Reads the record as it is now, beside the process that has the pair open.
    pub fn peek(host: &dyn Host, folder: &Path) -> Result<Record> {
        let path = check(host, folder)?;
        let file = Reader::new(host.open(&path, Access::Read)?);
        Ok(read(host, &file, &path)?.1)
    }

    /// Reads a bitmap as it is now, beside the process that has the pair open.
    pub fn peek_map(
        host: &dyn Host,
        folder: &Path,
        record: &Record,
        map: MapKind,
    ) -> Result<Option<Bitmap>> {
        let file = Reader::new(host.open(&folder.join(NAME), Access::Read)?);
        load(&mut Pages::default(), &file, host, record, map)
    }

    /// The process that has the pair open.
    pub fn owner(host: &dyn Host, folder: &Path) -> Option<u32> {
        host.lock_owner(&folder.join(LOCK_NAME))
    }

    /// Gives the lock and the file back; nothing can be committed after this.
    pub fn unlock(&mut self) {
        self.file = None;
        self.lock = None;
    }

    fn file(&self) -> Result<&Writer> {
        self.file.as_ref().ok_or(Error::Closed)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The record, as committed.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Counts the commits: a plan made before another commit is stale.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Changes the record, durably: when this returns the change is on stable storage, when it fails the record
    /// in memory is as before.
    pub fn commit(&mut self, change: impl FnOnce(&mut Record)) -> Result<()> {
        self.commit_with(&[], change)
    }

    /// Changes the record and replaces bitmaps, in one step.
    pub fn commit_with(
        &mut self,
        maps: &[(MapKind, &Bitmap)],
        change: impl FnOnce(&mut Record),
    ) -> Result<()> {
        let mut record = self.record.clone();
        change(&mut record);
        let mut staged = Vec::new();
        for (map, set) in maps {
            if !self.pages.knows(*map) {
                self.load_map(*map)?;
            }
            self.make_room(&mut record, set.blocks())?;
            let file = self.file.as_ref().ok_or(Error::Closed)?;
            let pages = self.pages.stage(file, *map, new_generation(), set)?;
            match (*map, record.pending.as_mut()) {
                (MapKind::Dirty, _) => record.dirty = pages.reference,
                (MapKind::Pending, Some(pending)) => pending.map = pages.reference,
                (MapKind::Pending, None) => {}
            }
            staged.push(pages);
        }
        let encoded = encode(self.sequence + 1, &record)?;
        if !maps.is_empty() && self.host.keeps(Order::PagesSyncedBeforeRecord) {
            self.file()?.sync()?;
        }
        slots::write(self.file()?, &*self.host, self.sequence + 1, &encoded)?;
        if self.host.keeps(Order::RecordSynced) {
            self.file()?.sync()?;
        }
        self.sequence += 1;
        self.record = record;
        staged.into_iter().for_each(|pages| self.pages.adopt(pages));
        Ok(())
    }

    fn make_room(&self, record: &mut Record, blocks: u64) -> Result<()> {
        let pages = pages_for(blocks);
        if pages > record.pages_reserved {
            self.file()?.set_length(file_length(pages))?;
            self.file()?.reserve(file_extent(pages))?;
            record.pages_reserved = pages;
        }
        Ok(())
    }

    /// Stores what is left of a bitmap that is being worked off: `touched` blocks have left it. The caller has
    /// made durable what makes it true.
    pub fn shrink(&mut self, map: MapKind, set: &Bitmap, touched: &Bitmap) -> Result<()> {
        let reference = match (map, &self.record.pending) {
            (MapKind::Dirty, _) => self.record.dirty,
            (MapKind::Pending, Some(pending)) => pending.map,
            (MapKind::Pending, None) => return Ok(()),
        };
        let file = self.file.as_ref().ok_or(Error::Closed)?;
        let written = self.pages.shrink(file, map, reference, set, touched)?;
        file.sync()?;
        self.pages.shrunk(map, written);
        Ok(())
    }

    /// Reads a bitmap; `None` when a part of it cannot be believed.
    pub fn load_map(&mut self, map: MapKind) -> Result<Option<Bitmap>> {
        let file = self.file()?.reader();
        load(&mut self.pages, &file, &*self.host, &self.record, map)
    }

    /// Stores a seal; the caller then commits its root.
    pub fn write_seal(&self, new: &Seal) -> Result<()> {
        seal::write(&*self.host, &self.folder, new)
    }

    /// Reads the seal of the point, when it has one.
    pub fn read_seal(&self) -> Result<Option<Seal>> {
        let root = self.record.point.as_ref().and_then(|point| point.root.as_deref());
        root.map(|root| seal::read(&*self.host, &self.folder, root)).transpose()
    }

    /// Removes the seal's file; the record has forgotten it before.
    pub fn remove_seal(&self) {
        if let Err(error) = seal::remove(&*self.host, &self.folder) {
            log::info!(target: "splitmirror.catalog", "the old seal stays: {error}");
        }
    }

    /// Adds a line to the history; a failure is logged, never raised.
    pub fn note(&self, event: &str, detail: serde_json::Value) {
        let at = self.host.now_ns() as f64 / 1e9;
        let event = Event { at, event: event.to_owned(), detail };
        if let Err(error) = history::append(&*self.host, &self.folder, &event) {
            log::warn!(target: "splitmirror.catalog", "the history lacks '{}': {error}", event.event);
        }
    }

    /// All events of a pair, oldest first.
    pub fn history(host: &dyn Host, folder: &Path) -> Result<Vec<Event>> {
        check(host, folder)?;
        history::read(host, folder)
    }

    /// Removes the catalog and its folder: the pair is no more. Files of others in the folder stay, with it.
    pub fn erase(&mut self) -> Result<()> {
        let (host, folder) = (&*self.host, &self.folder);
        // The catalog first: without it the rest means nothing.
        host.remove(&folder.join(NAME))?;
        host.sync_folder(folder)?;
        for name in ["history", "seal", "seal.next", NEXT_NAME, LOCK_NAME] {
            host.remove(&folder.join(name))?;
        }
        self.lock = None;
        if let Err(error) = host.remove(folder) {
            log::info!(target: "splitmirror.catalog", "the folder stays: {error}");
        }
        host.sync_folder(folder.parent().unwrap_or(folder))
    }
}

/// Never used before, not even by a commit that got lost: its pages may still lie in the file, and counting on
/// from the record that survived would make them valid again.
fn new_generation() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

fn load(
    pages: &mut Pages,
    file: &Reader,
    host: &dyn Host,
    record: &Record,
    map: MapKind,
) -> Result<Option<Bitmap>> {
    let reference = match (map, &record.pending) {
        (MapKind::Dirty, _) => record.dirty,
        (MapKind::Pending, Some(pending)) => pending.map,
        (MapKind::Pending, None) => return Ok(Some(Bitmap::default())),
    };
    pages.load(file, host, map, reference)
}

pub(super) fn encode(sequence: u64, record: &Record) -> Result<Vec<u8>> {
    slots::encode(sequence, record).ok_or_else(|| {
        Error::argument(
            "ranges",
            "they are too many to be recorded; restore fewer, or whole neighbouring ones, at once",
        )
    })
}

/// That a catalog is there and can be believed; its path.
fn check(host: &dyn Host, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(NAME);
    if host.find(&path)?.is_none() {
        return Err(Error::CatalogMissing { path: folder.to_path_buf() });
    }
    host.check_private(folder)?;
    Ok(path)
}

fn read(host: &dyn Host, file: &Reader, path: &Path) -> Result<(u64, Record)> {
    header::check(file, path)?;
    let corrupt =
        |problem: &str| Error::CatalogCorrupt { path: path.to_path_buf(), problem: problem.into() };
    let (sequence, record) = slots::read(file, host)?
        .ok_or_else(|| corrupt("neither of its two records has a matching checksum"))?;
    if file.length()? < file_length(record.pages_reserved) {
        return Err(corrupt("it is cut short"));
    }
    Ok((sequence, record))
}
