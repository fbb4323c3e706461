//! The catalog of one pair, open: what it holds, the seal, the history, the lock. Commits are in `commit`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::maps::file_length;
use super::pages::Pages;
use super::{
    Event, IntentLog, MapKind, Record, Seal, header, history, intents, ranges, seal, slots,
};
use crate::area::{Access, Host, Lock, Order, Reader, Writer};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};

pub(super) const NAME: &str = "catalog";
pub(super) const NEXT_NAME: &str = "catalog.next";
pub(super) const LOCK_NAME: &str = "lock";

/// An open catalog. Dropping it gives the lock back.
#[derive(Debug)]
pub struct Catalog {
    pub(super) host: Arc<dyn Host>,
    pub(super) folder: PathBuf,
    /// None once it was given back.
    pub(super) file: Option<Writer>,
    pub(super) record: Record,
    pub(super) sequence: u64,
    pub(super) pages: Pages,
    pub(super) intents: Arc<IntentLog>,
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
        intents: IntentLog,
        lock: Box<dyn Lock>,
    ) -> Self {
        let folder = folder.to_path_buf();
        let (file, lock, pages) = (Some(file), Some(lock), Pages::default());
        Self { host, folder, file, record, sequence, pages, intents: Arc::new(intents), lock }
    }

    /// Opens the catalog in a folder and locks it. Nothing is written, but for an intent log that is missing.
    pub fn open(host: Arc<dyn Host>, folder: &Path) -> Result<Self> {
        let path = check(&*host, folder)?;
        let lock = host.lock(&folder.join(LOCK_NAME))?;
        let file = Writer::new(host.open(&path, Access::Write)?);
        if host.keeps(Order::LeftSyncedBeforeBelieved) {
            // A killed process may have left a record that is read but would not outlast a power cut.
            file.sync()?;
        }
        let content = read(&*host, &file.reader(), &path)?;
        let intents = IntentLog::open(Arc::clone(&host), folder, content.1.intents)?;
        Ok(Self::new(host, folder, file, content, intents, lock))
    }

    /// Reads the record as it is now, beside the process that has the pair open.
    pub fn peek(host: &dyn Host, folder: &Path) -> Result<Record> {
        let path = check(host, folder)?;
        let file = Reader::new(host.open(&path, Access::Read)?);
        Ok(read(host, &file, &path)?.1)
    }

    /// Reads a map as it is now, beside the process that has the pair open.
    pub fn peek_map(
        host: &dyn Host,
        folder: &Path,
        record: &Record,
        map: MapKind,
    ) -> Result<Option<Vec<Bitmap>>> {
        let file = Reader::new(host.open(&folder.join(NAME), Access::Read)?);
        load(&mut Pages::default(), &file, host, record, map)
    }

    /// Reads the seal of a record's point, when it has one, beside the process that has the pair open.
    pub fn peek_seal(host: &dyn Host, folder: &Path, record: &Record) -> Result<Option<Seal>> {
        let root = record.point.as_ref().and_then(|point| point.root.as_deref());
        root.map(|root| seal::read(host, folder, root)).transpose()
    }

    /// The process that has the pair open.
    pub fn owner(host: &dyn Host, folder: &Path) -> Option<u32> {
        host.lock_owner(&folder.join(LOCK_NAME))
    }

    /// Gives the lock and the file back; nothing can be committed after this.
    pub fn unlock(&mut self) {
        self.intents.close();
        self.file = None;
        self.lock = None;
    }

    pub(super) fn file(&self) -> Result<&Writer> {
        self.file.as_ref().ok_or(Error::Closed)
    }

    /// The intent log; whoever holds it can use it without the catalog, for as long as that is open.
    pub fn intents(&self) -> Arc<IntentLog> {
        Arc::clone(&self.intents)
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

    /// Stores a seal; the caller then commits its root.
    pub fn write_seal(&self, new: &Seal) -> Result<()> {
        seal::write(&*self.host, &self.folder, new)
    }

    /// Reads the seal of the point, when it has one.
    pub fn read_seal(&self) -> Result<Option<Seal>> {
        Self::peek_seal(&*self.host, &self.folder, &self.record)
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
        let names =
            ["history", "mount.log", "seal", "seal.next", intents::NAME, NEXT_NAME, LOCK_NAME];
        for name in names.iter().chain(&ranges::NAMES) {
            host.remove(&folder.join(name))?;
        }
        self.lock = None;
        if let Err(error) = host.remove(folder) {
            log::info!(target: "splitmirror.catalog", "the folder stays: {error}");
        }
        host.sync_folder(folder.parent().unwrap_or(folder))
    }
}

impl Drop for Catalog {
    /// Whoever still holds the intent log cannot write into what another process may now have locked.
    fn drop(&mut self) {
        self.unlock();
    }
}

pub(super) fn load(
    pages: &mut Pages,
    file: &Reader,
    host: &dyn Host,
    record: &Record,
    map: MapKind,
) -> Result<Option<Vec<Bitmap>>> {
    match record.map(map) {
        Some(reference) => pages.load(file, host, map, reference),
        None => Ok(Some((0..map.layers()).map(|_| Bitmap::default()).collect())),
    }
}

pub(super) fn encode(sequence: u64, record: &Record) -> Result<Vec<u8>> {
    slots::encode(sequence, record)
        .ok_or_else(|| Error::argument("record", "it does not fit into its slot"))
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
    if file.length()? < file_length(record.groups_reserved) {
        return Err(corrupt("it is cut short"));
    }
    Ok((sequence, record))
}
