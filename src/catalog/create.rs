//! Making the catalog of a new pair: all of it is on disk under another name before it gets its own.

use std::path::Path;
use std::sync::Arc;

use super::maps::{file_extent, file_length, groups_for};
use super::store::{Catalog, LOCK_NAME, NAME, NEXT_NAME, encode};
use super::{IntentLog, Record, header, intents, slots};
use crate::area::{Host, Lock, Order, Writer};
use crate::error::{Error, Result};

impl Catalog {
    /// Makes the folder and the catalog of a new pair. A half-made one, from a crash, is replaced; when it fails,
    /// what it made is removed.
    pub fn create(host: Arc<dyn Host>, folder: &Path, record: Record) -> Result<Self> {
        let is_new = matches!(host.find(folder), Ok(None));
        host.make_folder(folder)?;
        let lock = host.check_private(folder).and_then(|()| host.lock(&folder.join(LOCK_NAME)));
        let made = lock.and_then(|lock| {
            if host.find(&folder.join(NAME))?.is_some() {
                let other = folder.join(NAME);
                return Err(Error::AlreadyPaired { path: record.mirror.path.0, other });
            }
            Self::fill(Arc::clone(&host), folder, record, lock).inspect_err(|_| {
                for name in [NEXT_NAME, NAME, intents::NAME, LOCK_NAME] {
                    let _ = host.remove(&folder.join(name));
                }
            })
        });
        if made.is_err() && is_new {
            // Only an empty folder can be removed; one that others have filled meanwhile stays.
            let _ = host.remove(folder);
        }
        made
    }

    fn fill(
        host: Arc<dyn Host>,
        folder: &Path,
        mut record: Record,
        lock: Box<dyn Lock>,
    ) -> Result<Self> {
        let (path, next) = (folder.join(NAME), folder.join(NEXT_NAME));
        host.remove(&next)?;
        record.intents = 0;
        record.groups_reserved = groups_for(record.block_size.count(record.length)).max(1);
        let file = Writer::new(host.create(&next, None)?);
        file.set_length(file_length(record.groups_reserved))?;
        file.reserve(file_extent(record.groups_reserved))?;
        header::write(&file)?;
        let encoded = encode(1, &record)?;
        slots::write(&file, &*host, 1, &encoded)?;
        file.sync_all()?;
        let intents = IntentLog::create(Arc::clone(&host), folder)?;
        host.rename(&next, &path)?;
        if let Err(error) = sync_names(&*host, folder) {
            // A catalog whose creation is reported as failed must not be found later; that it is gone is durable
            // before the caller may remove the mirror.
            let gone = host.remove(&path).and_then(|()| host.sync_folder(folder));
            return Err(gone.err().unwrap_or(error));
        }
        Ok(Self::new(host, folder, file, (1, record), intents, lock))
    }
}

/// Makes a new catalog's name durable, and that of its folder.
fn sync_names(host: &dyn Host, folder: &Path) -> Result<()> {
    if !host.keeps(Order::FolderSynced) {
        return Ok(());
    }
    host.sync_folder(folder)?;
    host.sync_folder(folder.parent().unwrap_or(folder))
}
