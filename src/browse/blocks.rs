//! The blocks of a file system, as they are once its journal is applied.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::image::Window;
use super::superblock::Superblock;
use crate::error::{Error, Result};

/// So many blocks of folders, inodes and maps are kept.
const KEPT: usize = 64;

/// Where the newer content of a block is: in the journal. `escaped`: its first bytes were taken for the journal's mark
/// and stand there as zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replaced {
    pub(super) block: u64,
    pub(super) escaped: bool,
}

/// Block number to newer content.
pub(super) type Replay = BTreeMap<u64, Replaced>;

/// The mark that every block of the journal's own begins with.
pub(super) const JOURNAL_MARK: [u8; 4] = [0xc0, 0x3b, 0x39, 0x98];

type Kept = Mutex<Vec<(u64, Arc<[u8]>)>>;

/// Reads blocks. The bytes never change, so what was read once is kept.
#[derive(Debug)]
pub(super) struct Blocks {
    window: Window,
    facts: Superblock,
    replay: Replay,
    kept: Kept,
}

impl Blocks {
    pub(super) fn new(window: Window, facts: Superblock, replay: Replay) -> Self {
        Self { window, facts, replay, kept: Mutex::default() }
    }

    pub(super) fn facts(&self) -> &Superblock {
        &self.facts
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> Error {
        self.window.wrong(problem)
    }

    /// One block.
    pub(super) fn read(&self, block: u64) -> Result<Arc<[u8]>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = kept();
        if let Some(place) = found.iter().position(|(known, _)| *known == block) {
            let hit = found.remove(place);
            let content = Arc::clone(&hit.1);
            found.push(hit);
            return Ok(content);
        }
        drop(found);
        let mut bytes = vec![0; self.facts.block_bytes as usize];
        self.read_bytes(block, 0, &mut bytes)?;
        let content: Arc<[u8]> = bytes.into();
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((block, Arc::clone(&content)));
        Ok(content)
    }

    /// Bytes that begin `skip` bytes into a block and may go over into those that follow it.
    pub(super) fn read_bytes(&self, block: u64, skip: u64, buffer: &mut [u8]) -> Result<()> {
        let size = self.facts.block_bytes;
        let length = buffer.len() as u64;
        let touched = skip.saturating_add(length).div_ceil(size);
        let end = block.saturating_add(touched);
        if end > self.facts.blocks {
            return Err(self.wrong(format!("it names block {}, which it does not have", end - 1)));
        }
        let start = block * size + skip;
        self.window.read(buffer, start)?;
        for (number, replaced) in self.replay.range(block..end) {
            // What of this block lies in the buffer, counted from the start of the block.
            let first = start.saturating_sub(number * size);
            let last = (start + length - number * size).min(size);
            let place = (number * size + first - start) as usize;
            let part = buffer.get_mut(place..place + (last - first) as usize);
            let part = part.unwrap_or_default();
            self.window.read(part, replaced.block * size + first)?;
            if replaced.escaped {
                let mark = JOURNAL_MARK.iter().enumerate().skip(first as usize);
                for (byte, (_, marked)) in part.iter_mut().zip(mark) {
                    *byte = *marked;
                }
            }
        }
        Ok(())
    }
}
