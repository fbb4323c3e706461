//! `adopt`: a mirror that was copied or moved, or has lost its catalog, becomes a pair of its own.
//!
//! With its catalog it keeps state and generation under a new identity. What a seal proves is checked; a mirror
//! without one is taken only when the caller accepts `unsealed`. What changed on the source is not known: the next
//! plan compares.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::create::volume_of;
use super::plan::check_blocks;
use super::seal::broken_blocks;
use super::status::folder_of;
use super::{Pair, check_accept};
use crate::area::{Access, Found, Host, Kind, Reader, check_different};
use crate::catalog::{Catalog, Epoch, MapRef, MirrorRecord, Point, Record, Seal, SourceRecord};
use crate::engine::{Control, Pool};
use crate::error::{Error, Result, shown};
use crate::state::{Condition, Conditions, Consistency, Mode, State};
use crate::tracker::Tag;
use crate::units::BlockSize;
use crate::volume::{Settings, tag_of};

/// How to adopt a mirror.
#[derive(Debug, Clone)]
pub struct AdoptOptions {
    /// Where the catalog is or goes, when not beside the mirror.
    pub catalog: Option<PathBuf>,
    /// Unit of tracking, when there is no catalog.
    pub block_size: BlockSize,
    /// Who may write the source.
    pub mode: Mode,
    /// `unsealed`: take a mirror that nothing vouches for.
    pub accept: Vec<String>,
    /// How the volume works.
    pub settings: Settings,
}

impl Pair {
    /// Makes a pair of a mirror that holds a point in time already, and a source, which may be missing.
    pub fn adopt(
        host: Arc<dyn Host>,
        mirror: &Path,
        source: &Path,
        options: AdoptOptions,
        control: &Control,
    ) -> Result<Self> {
        check_accept(&options.accept)?;
        let folder = folder_of(&*host, mirror, options.catalog.as_deref())?;
        let found =
            host.find(mirror)?.ok_or_else(|| Error::NotFound { path: mirror.to_path_buf() })?;
        let source_path = host.absolute(source)?;
        let source = host.find(&source_path)?;
        if let Some(source) = &source {
            check_different(source, &found, mirror)?;
        }
        if let Some(Some(Tag::Source { .. })) = tag_of(&*host, &found)? {
            // The source of another pair holds no point in time.
            return Err(Error::AlreadyPaired { path: found.path.clone(), other: found.path });
        }
        let known = Catalog::exists(&*host, &folder)?;
        let mut catalog =
            if known { Some(Catalog::open(Arc::clone(&host), &folder)?) } else { None };
        let seal = catalog.as_ref().map(Catalog::read_seal).transpose()?.flatten();
        vouch(&host, &found, seal.as_ref(), &options, control)?;
        let identity = match &source {
            Some(source) => volume_of(&*host, source, options.mode)?,
            None => (Uuid::new_v4(), true, 0),
        };
        let source_record = SourceRecord {
            path: source_path.as_path().into(),
            kind: source.as_ref().map_or(Kind::File, |source| source.kind),
            ownership: source.as_ref().map_or(found.ownership, |source| source.ownership),
        };
        check_blocks(options.block_size, found.stamp.length)?;
        let old = catalog.as_ref().map(|catalog| catalog.record().clone());
        let record = adopted(&*host, old, &found, source_record, identity, &options);
        name(&host, &found, record.pair_id)?;
        let stamp = Reader::new(host.open(&found.path, Access::Read)?).stamp()?;
        let record = Record { mirror: MirrorRecord { stamp, ..record.mirror }, ..record };
        let catalog = match catalog.take() {
            Some(mut catalog) => {
                let reserved = catalog.record().groups_reserved;
                catalog.commit(|old| *old = Record { groups_reserved: reserved, ..record })?;
                catalog
            }
            None => Catalog::create(Arc::clone(&host), &folder, record)?,
        };
        catalog.note(
            "adopt",
            serde_json::json!({"source": shown(&source_path), "sealed": seal.is_some()}),
        );
        Self::assemble(host, catalog, found.path, None, options.settings)
    }
}

/// That the mirror holds what its seal says, or that the caller takes it without one.
fn vouch(
    host: &Arc<dyn Host>,
    mirror: &Found,
    seal: Option<&Seal>,
    options: &AdoptOptions,
    control: &Control,
) -> Result<()> {
    let Some(seal) = seal else {
        if options.accept.iter().any(|word| word == "unsealed") {
            return Ok(());
        }
        return Err(Error::Protected { verb: "adopt", conditions: vec!["unsealed".into()] });
    };
    let reader = Reader::new(host.open(&mirror.path, Access::Read)?);
    let Some(broken) = broken_blocks(&reader, seal, &Pool::default(), control)? else {
        let next = "adopt() begins anew; nothing was changed";
        return Err(Error::Cancelled { state: "not adopted".into(), next: next.into() });
    };
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::SealMismatch {
        path: mirror.path.clone(),
        blocks: broken.len() as u64,
        bad: broken.into_iter().take(1000).map(Into::into).collect(),
    })
}

fn adopted(
    host: &dyn Host,
    old: Option<Record>,
    found: &Found,
    source: SourceRecord,
    (volume_id, volume_is_ours, epoch): (Uuid, bool, u64),
    options: &AdoptOptions,
) -> Record {
    let mirror =
        MirrorRecord { path: found.path.as_path().into(), kind: found.kind, stamp: found.stamp };
    let mut conditions = Conditions::default();
    conditions.set(Condition::TrackerLost);
    let base = old.unwrap_or_else(|| Record {
        pair_id: Uuid::nil(),
        volume_id,
        volume_is_ours,
        mode: options.mode,
        block_size: options.block_size,
        created_ns: host.now_ns(),
        source: source.clone(),
        mirror: mirror.clone(),
        state: State::Split,
        conditions: conditions.clone(),
        hold: None,
        generation: 1,
        epoch: Epoch::default(),
        length: found.stamp.length,
        established: None,
        point: Some(Point {
            label: Some("adopted".into()),
            taken_ns: found.stamp.modified_ns,
            consistency: Consistency::Fuzzy,
            root: None,
        }),
        open_for_writing: false,
        handed_out: Vec::new(),
        clean: None,
        dirty: MapRef::default(),
        pending: None,
        restored: None,
        siblings: Vec::new(),
        intents: 0,
        groups_reserved: 0,
    });
    Record {
        pair_id: Uuid::new_v4(),
        volume_id,
        volume_is_ours,
        source,
        mirror,
        // A copy of a mirror that was being written does not follow its source any more.
        state: if base.state == State::Synchronized { State::Unsynchronized } else { base.state },
        conditions,
        epoch: Epoch { current: epoch, next: None },
        open_for_writing: false,
        handed_out: Vec::new(),
        clean: None,
        pending: None,
        restored: None,
        siblings: Vec::new(),
        intents: 0,
        ..base
    }
}

/// Gives the mirror the new pair's name. Its bytes are not opened for writing.
fn name(host: &Arc<dyn Host>, mirror: &Found, pair: Uuid) -> Result<()> {
    match host.set_tag(&mirror.path, &Tag::Mirror { pair }.to_bytes()) {
        Ok(()) | Err(Error::Io { errno: libc::EOPNOTSUPP, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
