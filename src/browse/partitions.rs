//! Where on a disk image a file system begins: the whole image, or a partition of an MBR or GPT table.

use std::sync::Arc;

use super::image::{Image, Window};
use super::numbers::{byte, le16, le32, le64};
use super::superblock::{BYTES, PLACE, is_marked};
use crate::error::{Error, Result};

const PROTECTIVE: u8 = 0xee;
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
const GPT_ENTRIES_MAX: u32 = 1024;

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// As the system numbers it, from 1 on.
    pub number: u32,
    /// Where it is.
    pub place: Place,
    /// Whether an ext2, ext3 or ext4 file system is on it.
    pub has_tree: bool,
}

/// Where the file system is that was asked for: a partition, an offset, or without either the only one there is.
pub fn find(image: &Arc<dyn Image>, partition: Option<u32>, offset: Option<u64>) -> Result<Place> {
    let window = Window::whole(Arc::clone(image));
    let found = choose(&window, partition, offset);
    image.check()?;
    found
}

fn choose(window: &Window, partition: Option<u32>, offset: Option<u64>) -> Result<Place> {
    let rest = |offset: u64| Place { offset, length: window.length.saturating_sub(offset) };
    match (partition, offset) {
        (Some(_), Some(_)) => {
            return Err(Error::argument("offset", "a partition is named already"));
        }
        (None, Some(offset)) if offset >= window.length => {
            return Err(Error::argument(
                "offset",
                format!("the mirror has {} bytes", window.length),
            ));
        }
        (None, Some(offset)) => return Ok(rest(offset)),
        (None, None) if has_tree(window, rest(0)) => return Ok(rest(0)),
        _ => {}
    }
    let all = partitions(window)?;
    let with_tree: Vec<_> = all.iter().filter(|found| found.has_tree).collect();
    match (partition, with_tree.as_slice()) {
        (Some(number), _) => match all.iter().find(|found| found.number == number) {
            Some(found) => Ok(found.place),
            None => Err(window.without_tree(format!("there is no partition {number}{}", listed(&all)))),
        },
        (None, [only]) => Ok(only.place),
        (None, _) if all.is_empty() => Err(window.without_tree(
            "there is neither an ext2, ext3 or ext4 file system nor a table of partitions; offset= names where one begins",
        )),
        (None, []) => Err(window.without_tree(format!(
            "there is no ext2, ext3 or ext4 file system on any partition{}",
            listed(&all)
        ))),
        (None, _) => {
            Err(window.without_tree(format!("several partitions have one; name one of them{}", listed(&all))))
        }
    }
}

fn listed(all: &[Partition]) -> String {
    let one = |found: &Partition| {
        let Place { offset, length } = found.place;
        let what = if found.has_tree { "ext" } else { "something else" };
        format!("{}: {length} bytes at {offset}, {what}", found.number)
    };
    match all {
        [] => "; there are none".into(),
        all => format!(" ({})", all.iter().map(one).collect::<Vec<_>>().join("; ")),
    }
}

fn has_tree(window: &Window, place: Place) -> bool {
    let mut superblock = [0; BYTES];
    place.length >= PLACE + BYTES as u64
        && window.read(&mut superblock, place.offset.saturating_add(PLACE)).is_ok()
        && is_marked(&superblock)
}

fn partitions(window: &Window) -> Result<Vec<Partition>> {
    let mut sector = [0; 512];
    if window.length < 512 {
        return Ok(Vec::new());
    }
    window.read(&mut sector, 0)?;
    if le16(&sector, 510) != 0xaa55 {
        return Ok(Vec::new());
    }
    let entries = || (0..4).map(|index| sector.get(446 + 16 * index..).unwrap_or_default());
    if entries().any(|entry| byte(entry, 4) == PROTECTIVE) {
        return gpt(window);
    }
    let used = entries().zip(1..).filter(|(entry, _)| {
        byte(entry, 4) != 0 && !EXTENDED.contains(&byte(entry, 4)) && le32(entry, 12) != 0
    });
    Ok(used
        .map(|(entry, number)| {
            partition(window, number, le32(entry, 8).into(), le32(entry, 12).into(), 512)
        })
        .collect())
}

/// A partition, cut where the image ends.
fn partition(window: &Window, number: u32, first: u64, sectors: u64, sector: u64) -> Partition {
    let offset = first.saturating_mul(sector).min(window.length);
    let length = sectors.saturating_mul(sector).min(window.length - offset);
    let place = Place { offset, length };
    Partition { number, place, has_tree: has_tree(window, place) }
}

fn gpt(window: &Window) -> Result<Vec<Partition>> {
    // The table begins with the second sector, and does not say how long one is.
    for sector in [512, 4096] {
        let mut header = [0; 92];
        if window.read(&mut header, sector).is_err() || !header.starts_with(b"EFI PART") {
            continue;
        }
        let (count, bytes) = (le32(&header, 80), le32(&header, 84));
        if !(128..=4096).contains(&bytes) || count > GPT_ENTRIES_MAX {
            return Err(window.wrong("its table of partitions (GPT) is damaged"));
        }
        let mut table = vec![0; count as usize * bytes as usize];
        window.read(&mut table, le64(&header, 72).saturating_mul(sector))?;
        let used = table.chunks_exact(bytes as usize).zip(1..).filter(|(entry, _)| {
            entry.iter().take(16).any(|byte| *byte != 0) && le64(entry, 40) >= le64(entry, 32)
        });
        return Ok(used
            .map(|(entry, number)| {
                let sectors = (le64(entry, 40) - le64(entry, 32)).saturating_add(1);
                partition(window, number, le64(entry, 32), sectors, sector)
            })
            .collect());
    }
    Err(window.wrong("its table of partitions (GPT) is damaged"))
}
