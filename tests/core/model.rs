//! What must hold at each position of a story's log: the states that may be found on disk, and with each of them
//! the bytes that a side must then hold.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use splitmirror::state::State;

/// Bytes of a file; shared, because most promises speak of the same ones.
pub(crate) type Bytes = Arc<Vec<u8>>;

/// The source of every story.
pub(crate) fn source() -> PathBuf {
    "/data/source".into()
}

/// Its mirror.
pub(crate) fn mirror() -> PathBuf {
    "/data/mirror".into()
}

/// The catalog's folder.
pub(crate) fn catalog() -> PathBuf {
    "/data/mirror.splitmirror".into()
}

/// One of the things that may be found.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// The state on disk; `None`: there is no pair.
    pub(crate) state: Option<State>,
    /// Bytes of the mirror, where they are promised: always while split (I1).
    pub(crate) mirror: Option<Bytes>,
    /// Bytes of the source, where they are promised: everything was flushed and nothing is under way (I4).
    pub(crate) source: Option<Bytes>,
    /// A restore is pending; when it was resumed the source holds these bytes.
    pub(crate) goal: Option<Bytes>,
    /// Bytes of the goal, or else of a synchronized mirror, that may also be older: written and not flushed.
    pub(crate) loose: Vec<Range<usize>>,
    /// Blocks that the application has written and flushed since the restore began: its receipt says so.
    pub(crate) app_written: Vec<usize>,
    /// The point has a seal.
    pub(crate) sealed: bool,
}

impl Promise {
    /// No pair.
    pub(crate) fn nothing(source: &Bytes) -> Self {
        Self {
            state: None,
            mirror: None,
            source: Some(source.clone()),
            goal: None,
            loose: Vec::new(),
            app_written: Vec::new(),
            sealed: false,
        }
    }

    /// The same with another state and nothing promised of the mirror.
    pub(crate) fn in_state(&self, state: State) -> Self {
        let source = self.source.clone();
        Self {
            state: Some(state),
            mirror: None,
            source,
            goal: None,
            loose: Vec::new(),
            app_written: Vec::new(),
            sealed: false,
        }
    }

    /// The same with the mirror's bytes.
    pub(crate) fn with_mirror(self, mirror: &Bytes) -> Self {
        Self { mirror: Some(mirror.clone()), ..self }
    }

    /// The same with the source's bytes, or nothing promised of it.
    pub(crate) fn with_source(self, source: Option<&Bytes>) -> Self {
        Self { source: source.cloned(), ..self }
    }

    /// The same with a restore that is to bring the source to these bytes.
    pub(crate) fn with_goal(self, goal: &Bytes) -> Self {
        Self { goal: Some(goal.clone()), source: None, ..self }
    }
}

/// The promises of a story, by the position of the log from which on they hold.
#[derive(Debug, Default)]
pub(crate) struct Facts(BTreeMap<usize, Vec<Promise>>);

impl Facts {
    /// From `position` on, one of these may be found.
    pub(crate) fn from(&mut self, position: usize, allowed: Vec<Promise>) {
        self.0.insert(position, allowed);
    }

    /// What may be found at a position.
    pub(crate) fn at(&self, position: usize) -> &[Promise] {
        self.0.range(..=position).next_back().map_or(&[], |(_, allowed)| allowed)
    }
}

/// Takes the blocks that any of these ranges touch out of a comparison.
pub(crate) fn masked(bytes: &[u8], loose: &[Range<usize>]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for range in loose {
        // A partial write of a pending block may have been torn together with the block's other bytes.
        let end = range.end.next_multiple_of(4096).min(bytes.len());
        bytes[(range.start / 4096 * 4096).min(end)..end].fill(0);
    }
    bytes
}

/// Where two byte strings differ, for messages.
pub(crate) fn difference(found: &[u8], wanted: &[u8]) -> String {
    if found.len() != wanted.len() {
        return format!("{} bytes instead of {}", found.len(), wanted.len());
    }
    let blocks: Vec<usize> = found
        .chunks(4096)
        .zip(wanted.chunks(4096))
        .enumerate()
        .filter(|(_, (found, wanted))| found != wanted)
        .map(|(index, _)| index)
        .collect();
    format!("pages {blocks:?} differ")
}
