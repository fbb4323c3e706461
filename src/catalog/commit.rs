//! Changing what the catalog holds: the record and its maps in one step, and a map in its place.

use super::intents::Switch;
use super::maps::{MapRef, blocks_of, file_extent, file_length, groups_for};
use super::store::{NAME, encode, load};
use super::{Catalog, MapKind, Record, slots};
use crate::area::Order;
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};

impl Catalog {
    /// Changes the record, durably: when this returns the change is on stable storage, when it fails the record
    /// in memory is as before.
    pub fn commit(&mut self, change: impl FnOnce(&mut Record)) -> Result<()> {
        self.commit_with(&[], change)
    }

    /// Changes the record in memory alone, after a commit of the same failed: this process goes by what is true, and the
    /// next commit stores it.
    pub fn assume(&mut self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record);
    }

    /// Changes the record and replaces maps, each given by its layers, in one step. The restore's map belongs to the
    /// restore that is pending after the change, else to the one that was completed last.
    pub fn commit_with(
        &mut self,
        maps: &[(MapKind, &[&Bitmap])],
        change: impl FnOnce(&mut Record),
    ) -> Result<()> {
        let mut record = self.record.clone();
        change(&mut record);
        let mut staged = Vec::new();
        for (map, layers) in maps {
            if !self.pages.knows(*map) {
                self.load_map(*map)?;
            }
            if record.map(*map).is_none() {
                continue;
            }
            self.make_room(&mut record, blocks_of(layers))?;
            let file = self.file.as_ref().ok_or(Error::Closed)?;
            let pages = self.pages.stage(file, *map, new_generation(), layers)?;
            if let (MapKind::Restore, Some(_), Some(restored)) =
                (*map, &record.pending, &mut record.restored)
            {
                // Its places now serve the pending restore, whose rewriting destroys it page by page.
                restored.map = MapRef::GONE;
            }
            record.set_map(*map, pages.reference);
            staged.push(pages);
        }
        let encoded = encode(self.sequence + 1, &record)?;
        let (intents, generation) = (self.intents(), record.intents);
        let switched = generation != self.record.intents;
        let switch = switched.then(|| intents.switch(generation)).transpose()?;
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
        switch.into_iter().for_each(Switch::done);
        Ok(())
    }

    fn make_room(&self, record: &mut Record, blocks: u64) -> Result<()> {
        let groups = groups_for(blocks);
        if groups > record.groups_reserved {
            self.file()?.set_length(file_length(groups))?;
            self.file()?.reserve(file_extent(groups))?;
            record.groups_reserved = groups;
        }
        Ok(())
    }

    /// Stores a map that is being worked off in its place: the pages that `touched` blocks lie in, in all layers. The
    /// caller has made durable what makes it true.
    pub fn rewrite(&mut self, map: MapKind, layers: &[&Bitmap], touched: &Bitmap) -> Result<()> {
        if !self.pages.knows(map) {
            self.load_map(map)?;
        }
        let Some(reference) = self.record.map(map) else { return Ok(()) };
        if self.pages.stored(map) < reference.stored {
            // New pages would make up the number, and hide that others are lost.
            return Err(Error::CatalogCorrupt {
                path: self.folder.join(NAME),
                problem: "a page of the bitmap that is to be rewritten is damaged".into(),
            });
        }
        let file = self.file.as_ref().ok_or(Error::Closed)?;
        let written = self.pages.rewrite(file, map, reference, layers, touched)?;
        file.sync()?;
        self.pages.rewritten(map, written);
        let stored = self.pages.stored(map);
        if stored > reference.stored {
            // Pages that were not stored before count from now on, else one of them could stand in for a lost one.
            self.commit(|record| record.set_map(map, MapRef { stored, ..reference }))?;
        }
        Ok(())
    }

    /// Reads a map, one bitmap a layer; `None` when a part of it cannot be believed.
    pub fn load_map(&mut self, map: MapKind) -> Result<Option<Vec<Bitmap>>> {
        let file = self.file()?.reader();
        load(&mut self.pages, &file, &*self.host, &self.record, map)
    }
}

/// Never used before, not even by a commit that got lost: its pages may still lie in the file, and counting on
/// from the record that survived would make them valid again.
fn new_generation() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}
