//! A file system on an image: paths, symlinks, contents.

use std::sync::Arc;

use super::blocks::{Blocks, Replay};
use super::image::{Image, Window};
use super::inode::FileKind;
use super::partitions::Place;
use super::replay::replay;
use super::runs::run_at;
use super::superblock::{BYTES, PLACE, Superblock};
use super::{Entry, Inode, folder, inline};
use crate::error::{Error, Result};

const ROOT: u32 = 2;
const SYMLINKS_MAX: usize = 40;
const TARGET_BYTES_MAX: u64 = 4096;

/// Which symlinks of a path are followed; they lead to places in the image, never out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// All.
    All,
    /// All but the last name.
    NotLast,
    /// None: a path with one before its end is refused.
    Never,
}

/// What a path leads to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The file.
    pub inode: Inode,
    /// Its path from the root, without symlinks; empty for the root.
    pub path: Vec<u8>,
}

/// An ext2, ext3 or ext4 file system, for reading.
#[derive(Debug)]
pub struct Tree {
    blocks: Blocks,
}

impl Tree {
    /// Opens the file system at a place of an image.
    pub fn open(image: Arc<dyn Image>, place: Place) -> Result<Self> {
        let window = Window { image, offset: place.offset, length: place.length };
        let facts = |blocks: Option<&Blocks>| {
            let mut bytes = vec![0; BYTES];
            match blocks {
                None => window.read(&mut bytes, PLACE)?,
                Some(blocks) => {
                    let size = blocks.facts().block_bytes;
                    blocks.read_bytes(PLACE / size, PLACE % size, &mut bytes)?;
                }
            }
            Superblock::parse(&bytes, &window)
        };
        let before = Blocks::new(window.clone(), facts(None)?, Replay::new());
        let replay = replay(&before)?;
        let stale = Blocks::new(window.clone(), before.facts().clone(), replay.clone());
        // The superblock itself may be in the journal.
        let facts = if replay.is_empty() { stale.facts().clone() } else { facts(Some(&stale))? };
        let tree = Self { blocks: Blocks::new(window.clone(), facts, replay) };
        tree.checked(tree.root().map(|_| ()))?;
        Ok(tree)
    }

    /// What is found is of one point in time, or is not given out; nor is an error that another point made.
    fn checked<T>(&self, found: Result<T>) -> Result<T> {
        self.blocks.window().image.check()?;
        found
    }

    fn root(&self) -> Result<Inode> {
        let root = Inode::read(&self.blocks, ROOT)?;
        match root.kind {
            FileKind::Folder => Ok(root),
            _ => Err(self.blocks.wrong("its root is no folder")),
        }
    }

    /// What a path leads to. It counts from the root, with or without a slash before it.
    pub fn find(&self, path: &[u8], follow: Follow) -> Result<Found> {
        self.checked(self.walk(path, follow))
    }

    fn walk(&self, path: &[u8], follow: Follow) -> Result<Found> {
        let member = |errno| self.blocks.window().member(path, errno);
        // What is above a folder is remembered, not read: its own word for it could lead anywhere.
        let mut above: Vec<(Inode, Vec<u8>)> = vec![(self.root()?, Vec::new())];
        let mut left: Vec<Vec<u8>> = components(path);
        let (mut symlinks, mut at_file) = (0, None);
        while let Some(name) = left.pop() {
            if at_file.is_some() {
                return Err(member(libc::ENOTDIR));
            }
            if name == b".." {
                above.truncate(above.len().saturating_sub(1).max(1));
                continue;
            }
            let Some((folder, _)) = above.last() else { break };
            let inode = self.child(folder, &name)?.ok_or_else(|| member(libc::ENOENT))?;
            let last = left.is_empty();
            match inode.kind {
                FileKind::Folder => above.push((inode, name)),
                FileKind::Symlink
                    if follow == Follow::All || follow == Follow::NotLast && !last =>
                {
                    symlinks += 1;
                    let target = self.target(&inode)?;
                    if symlinks > SYMLINKS_MAX || left.len() > TARGET_BYTES_MAX as usize {
                        return Err(member(libc::ELOOP));
                    }
                    if target.starts_with(b"/") {
                        above.truncate(1);
                    }
                    left.extend(components(&target));
                }
                FileKind::Symlink if !last => return Err(self.through(path, &name)),
                _ => at_file = Some((inode, name)),
            }
        }
        if at_file.is_some() && path.ends_with(b"/") && follow != Follow::All {
            return Err(member(libc::ENOTDIR));
        }
        above.extend(at_file);
        let names = above.iter().skip(1).map(|(_, name)| name.as_slice());
        let path = names.collect::<Vec<_>>().join(&b'/');
        let inode = above.pop().map(|(inode, _)| inode);
        Ok(Found { inode: inode.ok_or_else(|| member(libc::ENOENT))?, path })
    }

    fn through(&self, path: &[u8], name: &[u8]) -> Error {
        let real = self.walk(path, Follow::All).map(|found| Window::shown(&found.path));
        let real = real.map(|real| format!("; it leads to /{real}: name that")).unwrap_or_default();
        let Error::Member { path, member, errno, .. } =
            self.blocks.window().member(path, libc::ELOOP)
        else {
            return self.blocks.wrong("a symlink");
        };
        let problem = format!("goes through the symlink '{}'{real}", Window::shown(name));
        Error::Member { path, member, problem, errno }
    }

    fn child(&self, folder: &Inode, name: &[u8]) -> Result<Option<Inode>> {
        let mut from = Some(0);
        while let Some(start) = from {
            let (entries, next) = folder::part(&self.blocks, folder, start)?;
            if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
                return Inode::read(&self.blocks, entry.inode).map(Some);
            }
            from = next;
        }
        Ok(None)
    }

    /// Some of the names in a folder, from a place on (at first 0), and the place at which to go on.
    pub fn names(&self, folder: &Inode, from: u64) -> Result<(Vec<Entry>, Option<u64>)> {
        self.checked(match folder.kind {
            FileKind::Folder => folder::part(&self.blocks, folder, from),
            _ => Err(self.blocks.wrong(format!("inode {} is no folder", folder.number))),
        })
    }

    /// The file with a number.
    pub fn inode(&self, number: u32) -> Result<Inode> {
        self.checked(Inode::read(&self.blocks, number))
    }

    /// Where a symlink leads, as it says.
    pub fn link_target(&self, inode: &Inode) -> Result<Vec<u8>> {
        self.checked(self.target(inode))
    }

    fn target(&self, inode: &Inode) -> Result<Vec<u8>> {
        let problem = if inode.kind != FileKind::Symlink {
            "is no symlink"
        } else if inode.is_encrypted() {
            "is an encrypted symlink"
        } else if inode.size == 0 || inode.size > TARGET_BYTES_MAX {
            "is a symlink of a length that none can have"
        } else {
            ""
        };
        if !problem.is_empty() {
            return Err(self.blocks.wrong(format!("inode {} {problem}", inode.number)));
        }
        // A short one lies where else the map would be.
        if inode.size < 60 && !inode.has_extents() && !inode.is_inline() {
            return Ok(inode.map().get(..inode.size as usize).unwrap_or_default().to_vec());
        }
        let mut target = vec![0; inode.size as usize];
        self.fill(inode, 0, &mut target)?;
        Ok(target)
    }

    /// Reads from a file; fewer bytes than there is room for only at its end.
    pub fn read(&self, inode: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.checked(self.refuse_unreadable(inode).and_then(|()| self.fill(inode, offset, buffer)))
    }

    /// How many bytes from an offset on are of one kind, and whether that is data; the others are a hole. At or past
    /// the end: none.
    pub fn run(&self, inode: &Inode, offset: u64) -> Result<(u64, bool)> {
        let look = || {
            let left = inode.size.saturating_sub(offset);
            if left == 0 || inode.is_inline() {
                return Ok((left, left > 0));
            }
            let size = self.blocks.facts().block_bytes;
            let run = run_at(&self.blocks, inode, offset / size)?;
            Ok((
                run.blocks.saturating_mul(size).saturating_sub(offset % size).min(left),
                run.at.is_some(),
            ))
        };
        self.checked(self.refuse_unreadable(inode).and_then(|()| look()))
    }

    fn refuse_unreadable(&self, inode: &Inode) -> Result<()> {
        let problem = match inode.kind {
            FileKind::File if inode.is_encrypted() => "is encrypted",
            FileKind::File if inode.is_compressed() => "is compressed",
            FileKind::File => return Ok(()),
            _ => "is no regular file",
        };
        Err(self.blocks.wrong(format!("inode {} {problem}", inode.number)))
    }

    fn fill(&self, inode: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let wanted = inode.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut rest = buffer.get_mut(..wanted).unwrap_or_default();
        if inode.is_inline() {
            let (first, second) = inline::parts(inode);
            let content = first.iter().chain(second).skip(offset as usize);
            for (byte, known) in rest.iter_mut().zip(content.copied().chain(std::iter::repeat(0))) {
                *byte = known;
            }
            return Ok(wanted);
        }
        let (size, mut place) = (self.blocks.facts().block_bytes, offset);
        while !rest.is_empty() {
            let (run, skip) = (run_at(&self.blocks, inode, place / size)?, place % size);
            let count = run.blocks.saturating_mul(size).saturating_sub(skip).min(rest.len() as u64);
            let (part, more) = rest.split_at_mut(count as usize);
            match run.at {
                Some(at) => self.blocks.read_bytes(at, skip, part)?,
                None => part.fill(0),
            }
            (rest, place) = (more, place + count);
        }
        Ok(wanted)
    }
}

/// The names of a path, the first one last.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let names =
        path.split(|letter| *letter == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.rev().map(<[u8]>::to_vec).collect()
}
