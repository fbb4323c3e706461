//! The intent log: in which regions source and mirror may differ because a write is or was under way.
//!
//! A file of fixed, reserved size with a handle of its own, so that a write need not wait for the catalog. The record
//! names the generation that counts; all pages are written when one begins ([`IntentLog::begin`]), so a page without a
//! version of it is a damaged one, never an empty one.
//!
//! Invariants, under the lock:
//! - The newest synced version of each page of the generation that the record names is never overwritten, whatever
//!   else is written ([`Place::kept`]). All other versions of the page go into the other slot.
//! - A version that somebody waits for in [`IntentLog::sync`] is not overwritten before that has ended: it may be what
//!   is acknowledged next.
//! - A version whose sync failed may never have reached the medium, and a later sync would not tell: it is written
//!   again before the next one.
//! - A sync covers what was stored before it began. Whoever stores first and syncs then is covered, by whoever's sync.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::intent_pages::{
    self as pages, EXTENT, Generation, LENGTH, Logged, PAGES, SLOTS_PER_PAGE,
};
use super::intent_state::{Place, State};
use crate::area::{Access, Host, Order, Writer};
use crate::error::{Error, Result};

pub(super) const NAME: &str = "intents";

/// An open intent log.
#[derive(Debug)]
pub struct IntentLog {
    host: Arc<dyn Host>,
    state: Mutex<State>,
    synced: Condvar,
}

/// The record is about to name another generation; nothing is stored meanwhile.
#[derive(Debug)]
pub(super) struct Switch<'a> {
    state: MutexGuard<'a, State>,
    generation: u64,
}

impl IntentLog {
    /// Pages of the log.
    pub const PAGES: usize = PAGES;
    /// How many regions a page can name.
    pub const SLOTS_PER_PAGE: usize = SLOTS_PER_PAGE;

    /// Makes the log of a new catalog, durably.
    pub(super) fn create(host: Arc<dyn Host>, folder: &Path) -> Result<Self> {
        host.remove(&folder.join(NAME))?;
        Self::open(host, folder, 0)
    }

    /// Opens the log of a catalog whose record names a generation. A file that is missing or cut short is made anew;
    /// what it lacks of the generation then shows.
    pub(super) fn open(host: Arc<dyn Host>, folder: &Path, committed: u64) -> Result<Self> {
        let path = folder.join(NAME);
        let file = match host.open(&path, Access::Write) {
            Err(Error::NotFound { .. }) => Writer::new(host.create(&path, None)?),
            opened => Writer::new(opened?),
        };
        if file.reader().length()? < LENGTH {
            // In this order the length says that the space is reserved, too.
            file.reserve(EXTENT)?;
            file.set_length(LENGTH)?;
        }
        // A killed process may have left versions, or the file's name, unsynced. They are about to be taken for what
        // must not be overwritten, so they have to last.
        if host.keeps(Order::LeftSyncedBeforeBelieved) {
            file.sync_all()?;
        }
        if host.keeps(Order::FolderSynced) {
            host.sync_folder(folder)?;
        }
        let versions = pages::versions(&file.reader(), &*host)?;
        let logged = pages::logged(&versions, committed).filter(|_| committed != 0);
        let current = logged
            .map(|logged| Generation { number: committed, region_bytes: logged.region_bytes });
        let places = std::array::from_fn(|page| Place {
            newest: pages::newest(&versions, page, None).unwrap_or(0),
            kept: pages::newest(&versions, page, Some(committed)).filter(|_| committed != 0),
            ..Place::default()
        });
        let file = Some(Arc::new(file));
        let state = State { file, committed, current, places, syncing: false, failed: false };
        Ok(Self { host, state: Mutex::new(state), synced: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        while_true: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.synced.wait_while(state, |state| while_true(state));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a generation: writes all pages, those given and the others empty, and syncs. It counts when the record
    /// names it ([`super::Record::intents`]); until then the one that the record names can still be read. The number of
    /// one that the record never came to name may be used again.
    pub fn begin(&self, generation: u64, region_bytes: u64, pages: &[Vec<u64>]) -> Result<()> {
        let of = Generation { number: generation, region_bytes };
        let mut words: Vec<Vec<u64>> =
            pages.iter().map(|regions| pages::words_of(regions)).collect::<Result<_>>()?;
        if words.len() > PAGES {
            return Err(Error::argument("pages", "more than the intent log has"));
        }
        words.resize(PAGES, Vec::new());
        let mut state = self.wait(self.lock(), |state| state.syncing);
        let used = [0, state.committed, state.current.map_or(0, |current| current.number)];
        if used.contains(&generation) {
            return Err(Error::argument("generation", "it is in use"));
        }
        // Somebody may have stored already and sync only later: then the slot is needed for this generation.
        state.sync_held()?;
        state.current = state.current.filter(|current| current.number == state.committed);
        let begun = state.write_all(&*self.host, of, &words);
        // Synced, or of no generation: nobody may take it for a version of the current one.
        state.places.iter_mut().for_each(|place| place.unsynced = None);
        begun?;
        state.current = Some(of);
        Ok(())
    }

    /// Writes a page of the generation that was begun last, or is the record's. On stable storage only after
    /// [`IntentLog::sync`].
    pub fn store(&self, page: usize, regions: &[u64]) -> Result<()> {
        let words = pages::words_of(regions)?;
        let mut state = self
            .wait(self.lock(), |state| state.places.get(page).is_some_and(|place| place.in_flight));
        let path = state.file()?.reader().path().to_path_buf();
        let of = state.current.ok_or_else(|| Error::CatalogCorrupt {
            path,
            problem: "the intent log is damaged, or was never begun".into(),
        })?;
        state.write(&*self.host, of, page, &words)
    }

    /// Puts all that was stored on stable storage.
    pub fn sync(&self) -> Result<()> {
        let mut state = self.wait(self.lock(), |state| state.syncing);
        if !state.begin_sync()? {
            return Ok(());
        }
        let file = state.file()?;
        state.syncing = true;
        drop(state);
        let synced = file.sync();
        let mut state = self.lock();
        state.syncing = false;
        state.end_sync(synced.is_ok());
        drop(state);
        self.synced.notify_all();
        synced
    }

    /// What a generation says; `None` when a page of it is damaged: then nothing can be said. Generation 0 says that
    /// nothing is logged.
    pub fn load(&self, generation: u64) -> Result<Option<Logged>> {
        if generation == 0 {
            return Ok(Some(Logged::default()));
        }
        let state = self.lock();
        let versions = pages::versions(&state.file()?.reader(), &*self.host)?;
        Ok(pages::logged(&versions, generation))
    }

    /// The record is about to name a generation. Dropping what is returned leaves all as it was.
    pub(super) fn switch(&self, generation: u64) -> Result<Switch<'_>> {
        let mut state = self.wait(self.lock(), |state| state.syncing);
        // What was stored since it began shares its slot: a torn version there would be all there is.
        state.sync_held()?;
        Ok(Switch { state, generation })
    }

    /// Gives the file back; nothing can be stored after this.
    pub(super) fn close(&self) {
        self.lock().file = None;
    }
}

impl Switch<'_> {
    /// The record names it.
    pub(super) fn done(mut self) {
        let generation = self.generation;
        let state = &mut *self.state;
        state.committed = generation;
        state.current = state.current.filter(|current| current.number == generation);
        let is_whole = state.current.is_some();
        for place in &mut state.places {
            place.kept = is_whole.then_some(place.newest);
        }
    }
}
