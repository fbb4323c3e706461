//! The record: all that is known of a pair except which blocks differ.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{MapKind, MapRef, StoredScope};
use crate::area::{Kind, Ownership, Stamp};
use crate::state::{Conditions, Consistency, Method, Mode, Reason, State};
use crate::units::{BlockSize, Extent};

/// A path that survives JSON whatever bytes it holds: text where it is UTF-8, else hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PathText", into = "PathText")]
pub struct StoredPath(pub PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PathText {
    Text(String),
    Bytes { hex: String },
}

impl From<PathText> for StoredPath {
    fn from(text: PathText) -> Self {
        Self(match text {
            PathText::Text(text) => text.into(),
            PathText::Bytes { hex } => {
                let digits = hex
                    .as_bytes()
                    .chunks(2)
                    .map(|pair| std::str::from_utf8(pair).unwrap_or_default());
                let bytes =
                    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap_or(b'?')).collect();
                OsString::from_vec(bytes).into()
            }
        })
    }
}

impl From<StoredPath> for PathText {
    fn from(path: StoredPath) -> Self {
        let bytes = path.0.as_os_str().as_bytes();
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() },
        }
    }
}

impl From<&Path> for StoredPath {
    fn from(path: &Path) -> Self {
        Self(path.to_path_buf())
    }
}

/// The source, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Where it is.
    pub path: StoredPath,
    /// File or device.
    pub kind: Kind,
    /// What to recreate it with.
    pub ownership: Ownership,
}

/// The mirror: its identity, and its times while nobody may change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorRecord {
    /// Where it is.
    pub path: StoredPath,
    /// File or device.
    pub kind: Kind,
    /// Taken after the last write of ours; a later difference is the work of others.
    pub stamp: Stamp,
}

/// The source's write sessions, counted in its tag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch that this pair has seen all writes of; 0 before the first establish.
    pub current: u64,
    /// The epoch that a session was about to begin; after a crash the source may carry either.
    pub next: Option<u64>,
}

/// The last completed establish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Established {
    /// When it ended, nanoseconds since the epoch.
    pub at_ns: i128,
    /// What a split right then would promise.
    pub consistency: Consistency,
}

/// The point in time that a split mirror holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The user's name for it.
    pub label: Option<String>,
    /// When it was taken, nanoseconds since the epoch.
    pub taken_ns: i128,
    /// What it promises.
    pub consistency: Consistency,
    /// Root digest of its seal, as hexadecimal text.
    pub root: Option<String>,
}

/// Written by a clean close: with what the source must still look like for the tracking to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanMark {
    /// The boot in which it was written.
    pub boot_id: String,
    /// When it was written.
    pub at_ns: i128,
    /// The source then.
    pub source: Stamp,
    /// Whether nobody else had the source open then.
    pub sole: bool,
}

/// What of the source a restore brings back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All of it, and its length.
    Whole,
    /// The blocks of the map; the length is left alone.
    Blocks,
    /// Just these bytes; the length is left alone.
    Ranges(Vec<Extent>),
}

/// A restore that was begun and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRecord {
    /// Identity of the restore.
    pub id: Uuid,
    /// Its blocks ([`MapKind::Restore`]).
    pub map: MapRef,
    /// What of the source it brings back.
    pub scope: StoredScope,
    /// The length that the source is still to get.
    pub resize: Option<u64>,
    /// The file that is being restored.
    pub source: Stamp,
    /// Why these blocks.
    pub reason: Reason,
    /// How they are brought back.
    pub method: Method,
}

/// The last restore that was completed: where blocks of the source come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredRecord {
    /// Identity of the restore.
    pub id: Uuid,
    /// The mirror's [`Record::generation`] that it brought back.
    pub generation: u64,
    /// Its blocks ([`MapKind::Restore`]). The next restore takes their place on disk when it begins; from then on
    /// this map cannot be read any more.
    pub map: MapRef,
    /// When it ended, nanoseconds since the epoch.
    pub at_ns: i128,
}

/// Another mirror of the same source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sibling {
    /// Identity of its pair.
    pub pair_id: Uuid,
    /// Where it is.
    pub mirror: StoredPath,
    /// The folder of its catalog.
    pub catalog: StoredPath,
}

/// All that is known of a pair except which blocks differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Identity of the pair.
    pub pair_id: Uuid,
    /// Identity of the source, in its tag too.
    pub volume_id: Uuid,
    /// Whether this pair gave the source that identity.
    pub volume_is_ours: bool,
    /// Who may write the source.
    pub mode: Mode,
    /// Unit of tracking.
    pub block_size: BlockSize,
    /// When the pair was made.
    pub created_ns: i128,
    /// The source.
    pub source: SourceRecord,
    /// The mirror.
    pub mirror: MirrorRecord,
    /// The state.
    pub state: State,
    /// The conditions beside it.
    pub conditions: Conditions,
    /// The reason of a hold on the mirror.
    pub hold: Option<String>,
    /// Counts the points in time that this mirror has held.
    pub generation: u64,
    /// The source's epochs.
    pub epoch: Epoch,
    /// Bytes of the source that the mirror holds.
    pub length: u64,
    /// The last completed establish.
    pub established: Option<Established>,
    /// The point in time of a split mirror.
    pub point: Option<Point>,
    /// The intent over the whole area: the pair was opened for writing and has not been closed.
    pub open_for_writing: bool,
    /// Of them, ranges that were handed out as memory: any byte of them may differ after a crash.
    pub handed_out: Vec<Extent>,
    /// The mark of the last clean close.
    pub clean: Option<CleanMark>,
    /// Blocks in which source and mirror may differ.
    pub dirty: MapRef,
    /// A restore under way.
    pub pending: Option<PendingRecord>,
    /// The last restore that was completed.
    pub restored: Option<RestoredRecord>,
    /// Other mirrors of the same source.
    pub siblings: Vec<Sibling>,
    /// The generation of the intent log that counts; 0: none.
    pub intents: u64,
    /// Groups of pages that the catalog file has room for.
    pub groups_reserved: u64,
}

impl Record {
    /// Where a map that counts is on disk: that of the pending restore, else that of the last completed one. None
    /// when there was no restore.
    pub(super) fn map(&self, map: MapKind) -> Option<MapRef> {
        match map {
            MapKind::Dirty => Some(self.dirty),
            MapKind::Restore => {
                let pending = self.pending.as_ref().map(|pending| pending.map);
                pending.or(self.restored.as_ref().map(|restored| restored.map))
            }
        }
    }

    /// Names another place for a map that counts.
    pub(super) fn set_map(&mut self, map: MapKind, reference: MapRef) {
        match (map, &mut self.pending, &mut self.restored) {
            (MapKind::Dirty, ..) => self.dirty = reference,
            (MapKind::Restore, Some(pending), _) => pending.map = reference,
            (MapKind::Restore, None, Some(restored)) => restored.map = reference,
            (MapKind::Restore, None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn any_path_survives_json() {
        for bytes in [&b"/plain/caf\xc3\xa9"[..], b"/new\nline", b"/not\xff\xfeutf8"] {
            let path = StoredPath::from(Path::new(OsStr::from_bytes(bytes)));
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<StoredPath>(&text).unwrap(), path);
        }
    }
}
