//! Opening a pair: find it by its mirror, lock it, and work out what can be believed.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::Pair;
use super::checks::check_different;
use super::create::tag_of;
use crate::area::{Access, Found, Host, Kind, Reader, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, MapKind, Record};
use crate::error::{Error, Result};
use crate::state::{Condition, Reason, State};
use crate::tracker::{SourceSeen, Tag, closed};
use crate::volume::{Phase, Restoring, Settings, Side, Source, Volume, read_tag};

/// How to open a pair.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Where the catalog is, when not beside the mirror.
    pub catalog: Option<PathBuf>,
    /// Where the source is now, when it was moved.
    pub source: Option<PathBuf>,
    /// How the volume works.
    pub settings: Settings,
}

impl Pair {
    /// Opens the pair of a mirror. Neither source nor mirror is written.
    pub fn open(host: Arc<dyn Host>, mirror: &Path, options: OpenOptions) -> Result<Self> {
        let mirror = host.absolute(mirror)?;
        let folder = match &options.catalog {
            Some(folder) => host.absolute(folder)?,
            None => host.catalog_folder(&mirror)?,
        };
        let catalog = Catalog::open(Arc::clone(&host), &folder)?;
        let found = host.find(&mirror)?.ok_or_else(|| Error::NotFound { path: mirror.clone() })?;
        check_identity(&*host, &found, catalog.record())?;
        let source = options.source.as_deref().map(|path| host.absolute(path)).transpose()?;
        Self::assemble(host, catalog, found.path, source, options.settings)
    }

    /// Makes a pair of an opened catalog whose mirror is the recorded one.
    pub(super) fn assemble(
        host: Arc<dyn Host>,
        mut catalog: Catalog,
        mirror_path: PathBuf,
        source: Option<PathBuf>,
        settings: Settings,
    ) -> Result<Self> {
        let record = catalog.record().clone();
        let source_path = source.unwrap_or_else(|| record.source.path.0.clone());
        let loaded = catalog.load_map(MapKind::Dirty)?;
        let lost = loaded.is_none();
        let blocks = record.block_size.count(record.length).max(record.dirty.blocks);
        let dirty = loaded.unwrap_or_else(|| Bitmap::full(blocks));
        dirty.make_room(blocks);
        let opened = open_source(&*host, &source_path, &mirror_path, &record)?;
        if let (true, Some(source)) = (lost, &opened) {
            source.tracker().lose(Reason::Compare);
        }
        let unfollowed = record.state == State::Synchronized && !dirty.is_empty();
        if let (true, Some(source)) = (unfollowed, &opened) {
            // The mirror stands still since some instant, and a split would not be of the source as it is.
            source.tracker().lose(Reason::Compare);
        }
        let side = open_side(&*host, &mirror_path, &record, opened.as_deref(), unfollowed)?;
        let restore = load_restore(&mut catalog, &side)?;
        let (folder, first_sequence) = (catalog.folder().to_path_buf(), catalog.sequence());
        let phase = Phase { source: opened, side, restore };
        let pair = Self {
            volume: Volume::new(host, settings, catalog, phase, dirty),
            source_path,
            mirror_path,
            folder,
            process: std::process::id(),
            closed: AtomicBool::new(false),
            activity: Mutex::new("idle"),
            verbs: Mutex::new(()),
            first_sequence,
        };
        if lost {
            pair.volume.catalog().commit(|record| {
                record.conditions.set(Condition::TrackerLost);
            })?;
        }
        pair.revisit()?;
        Ok(pair)
    }
}

/// That a file is the mirror that a record describes, and not a copy of it.
fn check_identity(host: &dyn Host, found: &Found, record: &Record) -> Result<()> {
    let moved =
        |problem: &str| Err(Error::MovedPair { path: found.path.clone(), problem: problem.into() });
    // The catalog of a device is filed by the device's own name; its number may change with a reboot.
    if found.kind == Kind::File && !found.stamp.same_file(&record.mirror.stamp) {
        return moved("it is another file than the recorded one");
    }
    if found.kind != record.mirror.kind {
        return moved("it is not of the recorded kind");
    }
    let tag = read_tag(&Reader::new(host.open(&found.path, Access::Read)?))?.flatten();
    match tag {
        Some(Tag::Mirror { pair }) if pair != record.pair_id => {
            moved("it carries the name of another pair")
        }
        _ => Ok(()),
    }
}

/// Opens the source, with the reason why its tracking is not believed from the time before.
pub(super) fn open_source(
    host: &dyn Host,
    path: &Path,
    mirror: &Path,
    record: &Record,
) -> Result<Option<Arc<Source>>> {
    let Some(found) = host.find(path)? else { return Ok(None) };
    check_not_a_mirror(host, &found, mirror)?;
    let source =
        Source::open(host, path, record.mode, |reader| doubt_from_before(host, reader, record))?;
    Ok(Some(Arc::new(source)))
}

/// A source is opened for writing: whatever path leads to a mirror, ours or another pair's, must not be one (I1).
fn check_not_a_mirror(host: &dyn Host, source: &Found, mirror: &Path) -> Result<()> {
    if let Some(mirror) = host.find(mirror)? {
        check_different(&mirror, source, &source.path)?;
    }
    match tag_of(host, source)? {
        Some(Some(Tag::Mirror { .. })) => Err(Error::AlreadyPaired {
            path: source.path.clone(),
            other: host.catalog_folder(&source.path)?,
        }),
        _ => Ok(()),
    }
}

/// What is not believed of the time between the last close and now.
fn doubt_from_before(host: &dyn Host, source: &Reader, record: &Record) -> Result<Option<Reason>> {
    if record.state == State::Initialized {
        return Ok(None);
    }
    if let Some(tag) = read_tag(source)? {
        match Tag::judge(tag, record.volume_id, record.epoch.current, record.epoch.next) {
            SourceSeen::Replaced => return Ok(Some(Reason::SourceReplaced)),
            SourceSeen::Missed(_) => return Ok(Some(Reason::MissedEpoch)),
            SourceSeen::Known => {}
        }
    }
    if record.open_for_writing {
        return Ok(Some(Reason::UncleanClose));
    }
    if record.conditions.has(Condition::OutsideWrites) {
        return Ok(Some(Reason::OutsideWrites));
    }
    if record.conditions.has(Condition::TrackerLost) {
        return Ok(Some(Reason::Compare));
    }
    let mark = record.clean.as_ref();
    let mark = mark.map(|mark| closed::Mark {
        boot_id: &mark.boot_id,
        source: &mark.source,
        sole: mark.sole,
    });
    Ok(closed::judge(record.mode, mark, &host.boot_id(), &source.stamp()?))
}

fn open_side(
    host: &dyn Host,
    mirror: &Path,
    record: &Record,
    source: Option<&Source>,
    unfollowed: bool,
) -> Result<Side> {
    match record.state {
        State::Initialized | State::Unsynchronized => Ok(Side::Absent),
        State::Split => Ok(Side::Frozen(Reader::new(host.open(mirror, Access::Read)?))),
        State::Synchronized => {
            let writer = Arc::new(Writer::new(host.open(mirror, Access::Write)?));
            // Somebody wrote the mirror while it was closed: it no longer equals the source for certain.
            let stamp = writer.reader().stamp()?;
            if let Some(source) = source.filter(|_| !stamp.same_content(&record.mirror.stamp)) {
                source.tracker().lose(Reason::Compare);
            }
            let suspect = record.conditions.has(Condition::SourceSuspect);
            Ok(if suspect || unfollowed {
                Side::Paused(writer)
            } else {
                Side::Synchronized(writer)
            })
        }
    }
}

/// A restore that was pending when the pair was last closed, or its process ended.
fn load_restore(catalog: &mut Catalog, side: &Side) -> Result<Option<Arc<Restoring>>> {
    let (Some(pending), Side::Frozen(mirror)) = (catalog.record().pending.clone(), side) else {
        return Ok(None);
    };
    let Some(set) = catalog.load_map(MapKind::Pending)? else {
        return Err(Error::CatalogCorrupt {
            path: catalog.folder().to_path_buf(),
            problem: "the list of blocks that are still to be restored is damaged".into(),
        });
    };
    let seal = catalog.read_seal()?.map(Arc::new);
    let record = catalog.record();
    let restore = Restoring::new(
        mirror.clone(),
        seal,
        record.block_size,
        record.length,
        pending.ranges,
        pending.resize,
        set,
    );
    Ok(Some(Arc::new(restore)))
}
