//! The source: one descriptor, so that its lease can prove that nobody else has it open.

use std::path::Path;

use uuid::Uuid;

use crate::area::{Access, Found, Host, Kind, Reader, Stamp, Writer};
use crate::catalog::{Epoch, Scope};
use crate::error::{Error, Result};
use crate::state::Mode;
use crate::tracker::{Tag, Tracker};
use crate::units::Extent;

/// An open source and what watches it.
#[derive(Debug)]
pub struct Source {
    reader: Reader,
    /// None when we may only read it (no permission, a read-only file system, a mounted device).
    writer: Result<Writer>,
    tracker: Tracker,
}

impl Source {
    /// Opens the source, for writing where that is allowed. The tracker starts to watch here, before anybody looks at
    /// what the source is: what happens in between is seen.
    pub fn open(host: &dyn Host, path: &Path, mode: Mode) -> Result<Self> {
        let (reader, writer) = match host.open(path, Access::Write) {
            Ok(medium) => (Reader::new(medium.clone()), Ok(Writer::new(medium))),
            Err(error) => (Reader::new(host.open(path, Access::Read)?), Err(error)),
        };
        let tracker = Tracker::start(&reader, mode == Mode::Shared);
        Ok(Self { reader, writer, tracker })
    }

    /// For reading.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// For writing, or why that is not allowed.
    pub fn writer(&self) -> Result<&Writer> {
        self.writer.as_ref().map_err(Clone::clone)
    }

    /// Whether others may have written it.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Identity, size and times now.
    pub fn stamp(&self) -> Result<Stamp> {
        self.reader.stamp()
    }

    /// The tag it carries, or `None` where none can be kept.
    pub fn tag(&self) -> Result<Option<Tag>> {
        Ok(read_tag(&self.reader)?.flatten())
    }

    /// The newest epoch whose writes a pair with this record has seen: the one that the source carries, when it is
    /// one that the record knows of. After a crash that may be the current one although the next was announced.
    pub fn epoch_seen(&self, volume: Uuid, known: Epoch) -> u64 {
        match self.tag() {
            Ok(Some(Tag::Source { volume: theirs, epoch }))
                if theirs == volume && (epoch == known.current || Some(epoch) == known.next) =>
            {
                epoch
            }
            _ => known.current,
        }
    }

    /// An epoch that the source has never had.
    pub fn epoch_after(&self, volume: Uuid, known: Epoch) -> u64 {
        let carried = match self.tag() {
            Ok(Some(Tag::Source { volume: theirs, epoch })) if theirs == volume => epoch,
            _ => 0,
        };
        carried.max(known.current).max(known.next.unwrap_or(0)) + 1
    }

    /// Sets the tag, durably, without that being taken for the work of others. `false`: none can be kept here.
    pub fn set_tag(&self, tag: Tag, durable: bool) -> Result<bool> {
        let writer = self.writer()?;
        let mut kept = true;
        self.tracker.own_change(&mut || {
            match writer.set_tag(&tag.to_bytes()) {
                Err(Error::Io { errno: libc::EOPNOTSUPP, .. }) => {
                    kept = false;
                    return Ok(());
                }
                result => result?,
            }
            if durable { writer.sync_all() } else { Ok(()) }
        })?;
        Ok(kept)
    }

    /// The length that a restore has still to give it: that of the mirror, or, when only ranges are restored, enough to
    /// hold them.
    pub fn length_to_set(&self, scope: &Scope, length: u64) -> Result<Option<u64>> {
        if self.reader.kind() == Kind::Device {
            return Ok(None);
        }
        let now = self.reader.length()?;
        let end = |ranges: &[Extent]| ranges.iter().map(|range| range.end()).max().unwrap_or(0);
        let wanted = match scope {
            Scope::Whole => length,
            Scope::Blocks => now,
            Scope::Ranges(ranges) => end(ranges).max(now),
        };
        Ok((wanted != now).then_some(wanted))
    }

    /// Sets the list of its mirrors.
    pub fn set_mirrors(&self, list: &[u8]) -> Result<()> {
        self.tracker.own_change(&mut || self.writer()?.set_mirrors(list))
    }

    /// Removes the tag.
    pub fn remove_tag(&self) -> Result<()> {
        self.tracker.own_change(&mut || self.writer()?.remove_tag())
    }
}

/// What the tag of the area at a path says, where it can be read.
pub(crate) fn tag_of(host: &dyn Host, found: &Found) -> Result<Option<Option<Tag>>> {
    read_tag(&Reader::new(host.open(&found.path, Access::Read)?))
}

/// The tag of an area: `None` where none can be kept, `Some(None)` where there is none or not one of ours.
pub(crate) fn read_tag(area: &Reader) -> Result<Option<Option<Tag>>> {
    match area.tag() {
        Ok(bytes) => Ok(Some(bytes.as_deref().and_then(Tag::parse))),
        Err(Error::Io { errno: libc::EOPNOTSUPP, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
