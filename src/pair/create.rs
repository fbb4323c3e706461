//! `create`: two areas become a pair. Everything is checked before anything is made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::Pair;
use super::checks::check_space;
use super::plan::check_blocks;
use crate::area::{Access, Found, Host, Kind, Reader, Writer, check_different};
use crate::catalog::{Catalog, Epoch, MapRef, MirrorRecord, Record, SourceRecord};
use crate::error::{Error, Result, shown};
use crate::state::{Conditions, Mode, State};
use crate::tracker::Tag;
use crate::units::{BlockSize, Extent, total_bytes};
use crate::volume::{Settings, identity_of, tag_of};

/// How to make a pair.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// Who may write the source.
    pub mode: Mode,
    /// Unit of tracking.
    pub block_size: BlockSize,
    /// A mirror that exists and holds data may be overwritten by the first establish.
    pub overwrite: bool,
    /// Where the catalog goes, when not beside the mirror.
    pub catalog: Option<PathBuf>,
    /// How the volume works.
    pub settings: Settings,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Shared,
            block_size: BlockSize::DEFAULT,
            overwrite: false,
            catalog: None,
            settings: Settings::default(),
        }
    }
}

/// The identity that a source has already, from another pair of it, or a new one.
pub(super) fn volume_of(host: &dyn Host, source: &Found, mode: Mode) -> Result<(Uuid, bool, u64)> {
    match tag_of(host, source)? {
        None if mode == Mode::Exclusive => Err(Error::argument(
            "mode",
            "the file system of the source keeps no extended attributes, which mode 'exclusive' needs for its tag",
        )),
        Some(Some(Tag::Source { volume, epoch })) => Ok((volume, false, epoch)),
        Some(Some(Tag::Mirror { .. })) => Err(Error::AlreadyPaired {
            path: source.path.clone(),
            other: host.catalog_folder(&source.path)?,
        }),
        // Another pair of it may be open here that has copied nothing yet.
        _ => Ok(match identity_of(host, &source.stamp) {
            Some(volume) => (volume, false, 0),
            None => (Uuid::new_v4(), true, 0),
        }),
    }
}

impl Pair {
    /// Makes a pair of a source and a mirror; nothing is copied before `establish`. A mirror that does not exist is
    /// created, empty.
    pub fn create(
        host: Arc<dyn Host>,
        source: &Path,
        mirror: &Path,
        options: CreateOptions,
    ) -> Result<Self> {
        let asked = host.absolute(mirror)?;
        let source =
            host.find(source)?.ok_or_else(|| Error::NotFound { path: source.to_path_buf() })?;
        let folder = match &options.catalog {
            Some(folder) => host.absolute(folder)?,
            None => host.catalog_folder(&asked)?,
        };
        let (volume_id, volume_is_ours, _) = volume_of(&*host, &source, options.mode)?;
        let existing = host.find(&asked)?;
        check_mirror(&*host, &source, existing.as_ref(), mirror, &folder, options.overwrite)?;
        check_room(&*host, &source, existing.as_ref(), &asked)?;
        check_blocks(options.block_size, source.stamp.length)?;
        let record = |mirror: &Found| Record {
            pair_id: Uuid::new_v4(),
            volume_id,
            volume_is_ours,
            mode: options.mode,
            block_size: options.block_size,
            created_ns: host.now_ns(),
            source: SourceRecord {
                path: source.path.as_path().into(),
                kind: source.kind,
                ownership: source.ownership,
            },
            mirror: MirrorRecord {
                path: mirror.path.as_path().into(),
                kind: mirror.kind,
                stamp: mirror.stamp,
            },
            state: State::Initialized,
            conditions: Conditions::default(),
            hold: None,
            generation: 0,
            epoch: Epoch::default(),
            length: source.stamp.length,
            established: None,
            point: None,
            open_for_writing: false,
            handed_out: Vec::new(),
            clean: None,
            dirty: MapRef::default(),
            pending: None,
            restored: None,
            siblings: Vec::new(),
            intents: 0,
            groups_reserved: 0,
        };
        let missing = existing.is_none();
        let area = Writer::new(if missing {
            host.create(&asked, None)?
        } else {
            host.open(&asked, Access::Write)?
        });
        let old_tag = area.reader().tag().ok().flatten();
        let made = make(&host, &area, &asked, missing, &folder, record);
        // A catalog that may still be there keeps its mirror: the two are a pair that can be detached.
        if made.is_err() && matches!(Catalog::exists(&*host, &folder), Ok(false)) {
            // Nothing is left behind, and what was there is as before; why that failed no longer matters.
            let _ = match &old_tag {
                _ if missing => host.remove(&asked),
                Some(tag) => area.set_tag(tag),
                None => area.remove_tag(),
            };
        }
        let (catalog, path) = made?;
        catalog.note(
            "create",
            serde_json::json!({"source": shown(&source.path), "mode": options.mode.name()}),
        );
        Self::assemble(host, catalog, path, None, options.settings)
    }
}

/// Makes the catalog, and then names the mirror: a name without a catalog would keep the mirror from every pair.
fn make(
    host: &Arc<dyn Host>,
    area: &Writer,
    mirror: &Path,
    missing: bool,
    folder: &Path,
    record: impl FnOnce(&Found) -> Record,
) -> Result<(Catalog, PathBuf)> {
    let found = host.find(mirror)?.ok_or_else(|| Error::NotFound { path: mirror.to_path_buf() })?;
    let mut record = record(&found);
    area.sync_all()?;
    record.mirror.stamp = area.reader().stamp()?;
    if missing {
        host.sync_folder(mirror.parent().unwrap_or(mirror))?;
    }
    let pair = record.pair_id;
    let mut catalog = Catalog::create(Arc::clone(host), folder, record)?;
    match area.set_tag(&Tag::Mirror { pair }.to_bytes()).and_then(|()| area.sync_all()) {
        Ok(()) | Err(Error::Io { errno: libc::EOPNOTSUPP, .. }) => Ok((catalog, found.path)),
        Err(error) => {
            catalog.erase()?;
            Err(error)
        }
    }
}

fn check_mirror(
    host: &dyn Host,
    source: &Found,
    mirror: Option<&Found>,
    asked: &Path,
    folder: &Path,
    overwrite: bool,
) -> Result<()> {
    if Catalog::exists(host, folder)? {
        return Err(Error::AlreadyPaired {
            path: asked.to_path_buf(),
            other: folder.to_path_buf(),
        });
    }
    let Some(mirror) = mirror else { return Ok(()) };
    check_different(source, mirror, asked)?;
    // Whatever place is asked for: a mirror whose own catalog stands beside it is taken.
    let beside = host.catalog_folder(&mirror.path)?;
    if Catalog::exists(host, &beside)? {
        return Err(Error::AlreadyPaired { path: mirror.path.clone(), other: beside });
    }
    match tag_of(host, mirror)? {
        Some(Some(Tag::Source { .. })) => {
            return Err(Error::AlreadyPaired {
                path: mirror.path.clone(),
                other: mirror.path.clone(),
            });
        }
        Some(Some(Tag::Mirror { .. })) => {
            return Err(Error::AlreadyPaired {
                path: mirror.path.clone(),
                other: folder.to_path_buf(),
            });
        }
        _ => {}
    }
    if let Some(mountpoint) = host.mounted_on(mirror) {
        return Err(Error::SourceMounted { path: mirror.path.clone(), mountpoint });
    }
    if mirror.stamp.length > 0 && !overwrite {
        return Err(Error::MirrorExists { path: mirror.path.clone() });
    }
    host.check_writable(&mirror.path)
}

/// That the mirror can hold the source, where that can be known beforehand.
fn check_room(host: &dyn Host, source: &Found, mirror: Option<&Found>, asked: &Path) -> Result<()> {
    let length = source.stamp.length;
    match mirror {
        Some(device) if device.kind == Kind::Device => {
            if device.stamp.length < length {
                return Err(Error::TooSmall {
                    path: device.path.clone(),
                    length: device.stamp.length,
                    needed: length,
                });
            }
            Ok(())
        }
        _ => {
            let reader = Reader::new(host.open(&source.path, Access::Read)?);
            let data = reader.data_extents(Extent::new(0, length))?;
            let reused = mirror.map_or(0, |found| found.stamp.length);
            check_space(host, asked, total_bytes(&data).saturating_sub(reused))
        }
    }
}
