//! What the intent log knows of its pages, under its lock: which version of each must stay, and what is not synced.

use std::sync::Arc;

use super::intent_pages::{self as pages, Generation, PAGES};
use crate::area::{Host, Order, Writer};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct State {
    /// None once it was given back.
    pub(super) file: Option<Arc<Writer>>,
    /// The generation that the record names.
    pub(super) committed: u64,
    /// The generation that is written; None when there is none, or it is damaged.
    pub(super) current: Option<Generation>,
    pub(super) places: [Place; PAGES],
    /// Whether somebody syncs without the lock.
    pub(super) syncing: bool,
    /// Whether a sync has failed: what it should have saved is written again.
    pub(super) failed: bool,
}

/// What is known of a page on disk.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The last sequence number used.
    pub(super) newest: u64,
    /// The version that must stay.
    pub(super) kept: Option<u64>,
    /// The newest version, while it is not synced.
    pub(super) unsynced: Option<Vec<u8>>,
    /// Whether the sync that is under way covers it.
    pub(super) in_flight: bool,
}

impl State {
    pub(super) fn file(&self) -> Result<Arc<Writer>> {
        self.file.clone().ok_or(Error::Closed)
    }

    pub(super) fn write(
        &mut self,
        host: &dyn Host,
        of: Generation,
        page: usize,
        words: &[u64],
    ) -> Result<()> {
        let file = self.file()?;
        let place = self
            .places
            .get_mut(page)
            .ok_or_else(|| Error::argument("page", "the intent log has no such page"))?;
        place.newest = place.next(host.keeps(Order::IntentSlotsAlternate));
        let bytes = pages::encode(of, place.newest, page, words);
        let written = pages::write(&file, page, place.newest, &bytes);
        // A write that failed may have reached the file in part: it is made whole with the next sync.
        self.failed |= written.is_err();
        place.unsynced = Some(bytes);
        written
    }

    pub(super) fn write_all(
        &mut self,
        host: &dyn Host,
        of: Generation,
        pages: &[Vec<u64>],
    ) -> Result<()> {
        for (page, words) in pages.iter().enumerate() {
            self.write(host, of, page, words)?;
        }
        if host.keeps(Order::IntentsSyncedBeforeRecord) {
            self.file()?.sync()?;
        }
        Ok(())
    }

    /// Before a sync: writes again what another one did not save, and says whether there is anything to sync.
    pub(super) fn begin_sync(&mut self) -> Result<bool> {
        if self.places.iter().all(|place| place.unsynced.is_none()) {
            return Ok(false);
        }
        let file = self.file()?;
        for (page, place) in self.places.iter().enumerate().filter(|_| self.failed) {
            if let Some(bytes) = &place.unsynced {
                pages::write(&file, page, place.newest, bytes)?;
            }
        }
        self.failed = false;
        self.places.iter_mut().for_each(|place| place.in_flight = place.unsynced.is_some());
        Ok(true)
    }

    pub(super) fn end_sync(&mut self, is_synced: bool) {
        let counts = self.current.is_some_and(|current| current.number == self.committed);
        self.failed |= !is_synced;
        for place in &mut self.places {
            if std::mem::take(&mut place.in_flight) && is_synced {
                place.unsynced = None;
                place.kept = if counts { Some(place.newest) } else { place.kept };
            }
        }
    }

    /// Syncs with the lock held.
    pub(super) fn sync_held(&mut self) -> Result<()> {
        if !self.begin_sync()? {
            return Ok(());
        }
        let synced = self.file()?.sync();
        self.end_sync(synced.is_ok());
        synced
    }
}

impl Place {
    /// The number of the next version, whose lowest bit names a slot that may be overwritten.
    fn next(&self, alternate: bool) -> u64 {
        let next = self.newest + 1;
        let is_taken = self.kept.is_some_and(|kept| kept % 2 == next % 2);
        if alternate && is_taken { next + 1 } else { next }
    }
}
