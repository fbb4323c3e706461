//! The one error type of the core. Each message says what happened, to which file, and what to do next.
//!
//! [`Error::class`] names the Python exception that the bindings raise and [`Error::fields`] what it
//! carries; both are part of the public contract and tested against `splitmirror.errors`.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

mod text;
pub use text::shown;
use text::{list, processes, reason, room, users_of_mount};

/// What every fallible call of the core returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, with its context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant documents it and its fields")]
pub enum Error {
    #[error("{verb}() is not possible while the pair is {state}; legal now: {}", list(legal))]
    State { verb: &'static str, state: String, legal: Vec<&'static str> },
    #[error("{operation} failed on {}: {}", shown(path), reason(*errno))]
    Io { path: PathBuf, operation: &'static str, errno: i32 },
    #[error("{} does not exist; check the path", shown(path))]
    NotFound { path: PathBuf },
    #[error(
        "the source {} does not exist; restore() makes it again from a split mirror (restart=True when a restore is pending), source= names where it was moved",
        shown(path)
    )]
    SourceMissing { path: PathBuf },
    #[error("no permission for {operation} on {}: {}; change its mode, owner or flags, or be a user who may", shown(path), reason(*errno))]
    Permission { path: PathBuf, operation: &'static str, errno: i32 },
    #[error(
        "{} is on a read-only file system; remount it read-write, or choose another place",
        shown(path)
    )]
    ReadOnly { path: PathBuf },
    #[error(
        "no space left for {}{}; free some space and call the verb again",
        shown(path),
        room(*needed, *available)
    )]
    NoSpace { path: PathBuf, needed: u64, available: u64 },
    #[error("{} is {what}; an area is a regular file or a block device", shown(path))]
    UnsupportedArea { path: PathBuf, what: &'static str },
    #[error(
        "{} and {} are the same storage ({how}); a mirror must be storage of its own",
        shown(path),
        shown(other)
    )]
    SameArea { path: PathBuf, other: PathBuf, how: &'static str },
    #[error(
        "{} already belongs to another pair, whose catalog is {}; detach that pair first (when its catalog is gone: adopt() it, then detach())",
        shown(path),
        shown(other)
    )]
    AlreadyPaired { path: PathBuf, other: PathBuf },
    #[error(
        "{} exists and holds data of its own; pass overwrite=True to make it a mirror, or choose another path",
        shown(path)
    )]
    MirrorExists { path: PathBuf },
    #[error("{} has {length} bytes, {needed} are needed; take a larger one", shown(path))]
    TooSmall { path: PathBuf, length: u64, needed: u64 },
    #[error("{argument}: {problem}")]
    Argument { argument: &'static str, problem: String },
    #[error("bytes {offset} to {offset} + {length} are out of range: the limit is {limit}")]
    Range { offset: u64, length: u64, limit: u64 },
    #[error(
        "no pair is recorded for {}: there is no catalog; create() makes a pair, adopt() takes a mirror without its catalog, catalog= names another place",
        shown(path)
    )]
    CatalogMissing { path: PathBuf },
    #[error(
        "the catalog {} cannot be read: {problem}; the mirror itself is untouched: move the catalog away and adopt() the mirror",
        shown(path)
    )]
    CatalogCorrupt { path: PathBuf, problem: String },
    #[error(
        "the catalog {} has format version {found}, this program knows version {supported}; use the release that wrote it",
        shown(path)
    )]
    CatalogVersion { path: PathBuf, found: u64, supported: u64 },
    #[error(
        "the catalog {} is not safe to believe: {problem}; check who put it there, then correct its owner or mode",
        shown(path)
    )]
    CatalogUntrusted { path: PathBuf, problem: String },
    #[error(
        "{} is not the mirror that its catalog describes ({problem}): the pair was copied or moved; adopt() makes it a pair of its own",
        shown(path)
    )]
    MovedPair { path: PathBuf, problem: String },
    #[error(
        "the pair of {} is already open in process {pid}; close it there, or use that process",
        shown(path)
    )]
    PairInUse { path: PathBuf, pid: u32 },
    #[error(
        "the source {} is in use by other programs (process {}); close them, or pass while_in_use=True to restore under them",
        shown(path),
        processes(pids)
    )]
    SourceInUse { path: PathBuf, pids: Vec<u32> },
    #[error(
        "the source {} carries the file system mounted on {}; unmount it first: restoring under a mounted file system destroys it",
        shown(path),
        shown(mountpoint)
    )]
    SourceMounted { path: PathBuf, mountpoint: PathBuf },
    #[error("{} cannot be used as a mountpoint: {problem}", shown(path))]
    Mount { path: PathBuf, problem: String },
    #[error(
        "{} is in use ({}); end that and unmount it again",
        shown(path),
        users_of_mount(pids, loops, mounts)
    )]
    MountBusy { path: PathBuf, pids: Vec<u32>, loops: Vec<PathBuf>, mounts: Vec<PathBuf> },
    #[error("{} stand beside the source {} and are newer than the split: a database would apply them over the restored data; stop it and move them away, or pass ignore_sidecars=True", list(&sidecars.iter().map(|p| shown(p)).collect::<Vec<_>>()), shown(path))]
    Sidecar { path: PathBuf, sidecars: Vec<PathBuf> },
    #[error(
        "{} may have been written by others since it was last mirrored ({reason}), so the mirror may not equal it; refresh() takes the source as it is now, split(as_of_last_establish=True) keeps the mirror as it is",
        shown(path)
    )]
    OutsideWrites { path: PathBuf, reason: String },
    #[error(
        "{verb}() is refused because of: {}; pass accept={{…}} with these names if you mean it",
        list(conditions)
    )]
    Protected { verb: &'static str, conditions: Vec<String> },
    #[error("{verb}() is refused: the mirror is on hold ({reason}); release() it first")]
    Held { verb: &'static str, reason: String },
    #[error(
        "the mirror {} was changed since its split, so it may not be the copy you took; scrub() tells whether its seal still holds, accept={{\"mirror-skewed\"}} uses it as it is",
        shown(path)
    )]
    MirrorSkewed { path: PathBuf, verb: &'static str },
    #[error("the plan is out of date: {problem}; make a new one")]
    StalePlan { problem: String },
    #[error("the mirror has no seal; seal() makes one")]
    NotSealed,
    #[error("{blocks} block(s) of the mirror {} do not match its seal, the first at byte {}; the mirror's medium is damaged there or was written", shown(path), bad.first().map_or(0, |extent| extent.0))]
    SealMismatch { path: PathBuf, blocks: u64, bad: Vec<(u64, u64)> },
    #[error(
        "{required} consistency was required, {reached} is what can be given: {why}; nothing was split"
    )]
    Consistency { required: String, reached: String, why: String },
    #[error("{views} array(s) or view(s) of {of} are still in use; delete them first")]
    ViewsLive { views: u64, of: &'static str },
    #[error(
        "the mirror {} failed ({problem}); the source is served on without it; establish() again once it is repaired",
        shown(path)
    )]
    MirrorFailed { path: PathBuf, problem: String },
    #[error("{}: {problem}", shown(path))]
    Format { path: PathBuf, problem: String },
    #[error("{}: {problem}", shown(path))]
    NoTree { path: PathBuf, problem: String },
    #[error("{} {problem} on the mirror {}", shown(member), shown(path))]
    Member { path: PathBuf, member: PathBuf, problem: String, errno: i32 },
    #[error(
        "the mirror {} is not at the point in time any more that was looked at ({problem}); what was read is not given out: look again once it is split",
        shown(path)
    )]
    PointGone { path: PathBuf, problem: String },
    #[error("the pair is closed; open it again")]
    Closed,
    #[error(
        "the pair was opened by process {owner} before this process was forked from it; open it again here after the parent has closed it"
    )]
    Forked { owner: u32 },
    #[error("cancelled; the pair is {state}: {next}")]
    Cancelled { state: String, next: String },
}

impl Error {
    /// Maps a system call's error to the variant that a user can act on.
    pub fn io(path: &Path, operation: &'static str, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let path = path.to_path_buf();
        match errno {
            libc::ENOENT => Self::NotFound { path },
            libc::EACCES | libc::EPERM => Self::Permission { path, operation, errno },
            libc::EROFS => Self::ReadOnly { path },
            libc::ENOSPC | libc::EDQUOT => Self::NoSpace { path, needed: 0, available: 0 },
            _ => Self::Io { path, operation, errno },
        }
    }

    /// An argument with a value that cannot be used.
    pub fn argument(argument: &'static str, problem: impl Into<String>) -> Self {
        Self::Argument { argument, problem: problem.into() }
    }

    /// Bytes that no file can address.
    pub fn beyond_files(offset: u64, length: u64) -> Self {
        Self::Range { offset, length, limit: i64::MAX as u64 }
    }

    /// The operating system's number for it, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { errno, .. }
            | Self::Permission { errno, .. }
            | Self::Member { errno, .. } => Some(*errno),
            Self::NotFound { .. } | Self::SourceMissing { .. } | Self::CatalogMissing { .. } => {
                Some(libc::ENOENT)
            }
            Self::ReadOnly { .. } => Some(libc::EROFS),
            Self::NoSpace { .. } => Some(libc::ENOSPC),
            Self::MirrorExists { .. } => Some(libc::EEXIST),
            Self::CatalogUntrusted { .. } => Some(libc::EACCES),
            _ => None,
        }
    }

    /// The name of the Python exception class.
    pub fn class(&self) -> &'static str {
        match self {
            Self::State { .. } => "StateError",
            Self::Io { .. } => "AreaIOError",
            Self::NotFound { .. } | Self::SourceMissing { .. } => "AreaNotFoundError",
            Self::Permission { .. } => "AreaPermissionError",
            Self::ReadOnly { .. } => "ReadOnlyAreaError",
            Self::NoSpace { .. } => "NoSpaceError",
            Self::UnsupportedArea { .. } => "UnsupportedAreaError",
            Self::SameArea { .. } => "SameAreaError",
            Self::AlreadyPaired { .. } => "AlreadyPairedError",
            Self::MirrorExists { .. } => "MirrorExistsError",
            Self::TooSmall { .. } => "AreaTooSmallError",
            Self::Argument { .. } => "ArgumentError",
            Self::Range { .. } => "RangeError",
            Self::CatalogMissing { .. } => "CatalogMissingError",
            Self::CatalogCorrupt { .. } => "CatalogCorruptError",
            Self::CatalogVersion { .. } => "CatalogVersionError",
            Self::CatalogUntrusted { .. } => "CatalogUntrustedError",
            Self::MovedPair { .. } => "MovedPairError",
            Self::PairInUse { .. } => "PairInUseError",
            Self::SourceInUse { .. } => "SourceInUseError",
            Self::SourceMounted { .. } => "SourceMountedError",
            Self::Mount { .. } => "MountError",
            Self::MountBusy { .. } => "MountBusyError",
            Self::Sidecar { .. } => "SidecarError",
            Self::OutsideWrites { .. } => "OutsideWritesError",
            Self::Protected { .. } => "ProtectedError",
            Self::Held { .. } => "HeldError",
            Self::MirrorSkewed { .. } => "MirrorSkewedError",
            Self::StalePlan { .. } => "StalePlanError",
            Self::NotSealed => "NotSealedError",
            Self::SealMismatch { .. } => "SealMismatchError",
            Self::Consistency { .. } => "ConsistencyError",
            Self::ViewsLive { .. } => "ViewsLiveError",
            Self::MirrorFailed { .. } => "MirrorFailedError",
            Self::Format { .. } => "FormatError",
            Self::NoTree { .. } => "NoFileSystemError",
            Self::Member { errno: libc::ENOENT, .. } => "MemberNotFoundError",
            Self::Member { .. } => "MemberKindError",
            Self::PointGone { .. } => "PointGoneError",
            Self::Closed => "ClosedPairError",
            Self::Forked { .. } => "ForkedPairError",
            Self::Cancelled { .. } => "CancelledError",
        }
    }

    /// What the Python exception carries beside its message.
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = match self {
            Self::State { verb, state, legal } => {
                json!({"verb": verb, "state": state, "legal": legal})
            }
            Self::Io { path, operation, .. } | Self::Permission { path, operation, .. } => {
                json!({"path": shown(path), "operation": operation})
            }
            Self::NotFound { path }
            | Self::SourceMissing { path }
            | Self::ReadOnly { path }
            | Self::MirrorExists { path }
            | Self::CatalogMissing { path }
            | Self::CatalogCorrupt { path, .. }
            | Self::CatalogUntrusted { path, .. }
            | Self::MovedPair { path, .. }
            | Self::PointGone { path, .. }
            | Self::MirrorFailed { path, .. }
            | Self::Mount { path, .. } => json!({"path": shown(path)}),
            Self::Format { path, .. } | Self::NoTree { path, .. } => {
                json!({"path": shown(path), "format": "ext4"})
            }
            Self::Member { path, member, .. } => {
                json!({"path": shown(path), "member": shown(member)})
            }
            Self::NoSpace { path, needed, available } => {
                json!({"path": shown(path), "needed": needed, "available": available})
            }
            Self::UnsupportedArea { path, what } => json!({"path": shown(path), "what": what}),
            Self::SameArea { path, other, how } => {
                json!({"path": shown(path), "other": shown(other), "how": how})
            }
            Self::AlreadyPaired { path, other } => {
                json!({"path": shown(path), "other": shown(other)})
            }
            Self::TooSmall { path, length, needed } => {
                json!({"path": shown(path), "length": length, "needed": needed})
            }
            Self::Argument { argument, .. } => json!({"argument": argument}),
            Self::Range { offset, length, limit } => {
                json!({"offset": offset, "length": length, "limit": limit})
            }
            Self::CatalogVersion { path, found, supported } => {
                json!({"path": shown(path), "found": found, "supported": supported})
            }
            Self::PairInUse { path, pid } => json!({"path": shown(path), "pid": pid}),
            Self::SourceInUse { path, pids } => json!({"path": shown(path), "pids": pids}),
            Self::SourceMounted { path, mountpoint } => {
                json!({"path": shown(path), "mountpoint": shown(mountpoint)})
            }
            Self::MountBusy { path, pids, loops, mounts } => {
                let [loops, mounts] =
                    [loops, mounts].map(|paths| paths.iter().map(|p| shown(p)).collect::<Vec<_>>());
                json!({"path": shown(path), "pids": pids, "loops": loops, "mounts": mounts})
            }
            Self::Sidecar { path, sidecars } => {
                json!({"path": shown(path), "sidecars": sidecars.iter().map(|p| shown(p)).collect::<Vec<_>>()})
            }
            Self::OutsideWrites { path, reason } => json!({"path": shown(path), "reason": reason}),
            Self::Protected { verb, conditions } => json!({"verb": verb, "conditions": conditions}),
            Self::Held { verb, reason } => json!({"verb": verb, "reason": reason}),
            Self::MirrorSkewed { path, verb } => json!({"path": shown(path), "verb": verb}),
            Self::SealMismatch { path, blocks, bad } => {
                json!({"path": shown(path), "blocks": blocks, "bad": bad})
            }
            Self::Consistency { required, reached, .. } => {
                json!({"required": required, "reached": reached})
            }
            Self::ViewsLive { views, .. } => json!({"views": views}),
            Self::Cancelled { state, .. } => json!({"state": state}),
            Self::StalePlan { .. } | Self::NotSealed | Self::Closed | Self::Forked { .. } => {
                json!({})
            }
        };
        if let (Some(errno), Some(map)) = (self.errno(), fields.as_object_mut()) {
            map.insert("errno".into(), errno.into());
        }
        match fields {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests;
