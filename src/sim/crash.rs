//! Power cuts: which machines may be found after one. The rules stand at the head of [`super`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::SimHost;
use super::disk::{Change, Disk, Times};
use super::machine::{Logged, Machine, SECTOR_BYTES};
use super::random::Random;
use crate::area::Order;

/// How writes that were under way may be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Some sectors of a write may survive without the others.
    pub torn: bool,
    /// A sector of a torn write may hold random bytes.
    pub garbage: bool,
}

impl Default for Damage {
    fn default() -> Self {
        Self { torn: true, garbage: true }
    }
}

/// One position of the log: what is durable there, and what may or may not have survived.
#[derive(Debug, Clone)]
pub struct CrashPoint {
    durable: Disk,
    pending: Vec<Logged>,
    /// The times that each changed file has for its readers.
    newest: BTreeMap<u64, Times>,
    files: Vec<File>,
    clock_ns: i128,
    boot: u64,
    left_out: HashSet<Order>,
}

/// What became of each pending operation, and whether new data stands under old times. Two equal ones give equal
/// machines, so a test can pass over what it has seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Survival {
    fates: Vec<Fate>,
    old_times: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Fate {
    Kept,
    Dropped,
    Torn(Vec<(u64, Arc<[u8]>)>),
}

/// What stays together when a medium or file system saves one file wholly and another not at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum File {
    Inode(u64),
    Folder(PathBuf),
}

impl File {
    fn of(change: &Change) -> Self {
        let folder = || Self::Folder(change.folder().map(PathBuf::from).unwrap_or_default());
        change.inode().map_or_else(folder, Self::Inode)
    }
}

/// How one image chooses what survives. Only coins for each operation would almost never lose exactly one
/// of many operations, or all of one file and none of another; these are the ways that find missing syncs.
#[derive(Debug, Clone)]
enum Choice {
    All,
    Nothing,
    Coins { kept_of_8: u64 },
    WholeFiles(Vec<File>),
    Until(u64),
    AllBut(u64),
    Only(u64),
}

impl CrashPoint {
    pub(super) fn new(machine: &Machine, position: usize) -> Self {
        let mut point = Self {
            durable: machine.start.clone(),
            pending: Vec::new(),
            newest: BTreeMap::new(),
            files: Vec::new(),
            clock_ns: machine.clock_ns,
            boot: machine.boot,
            left_out: machine.left_out.clone(),
        };
        for logged in machine.log.iter().take(position) {
            point.advance(logged);
        }
        let files: BTreeSet<File> =
            point.pending.iter().map(|logged| File::of(&logged.change)).collect();
        point.files = files.into_iter().collect();
        point
    }

    /// How many operations may or may not have survived.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    fn advance(&mut self, logged: &Logged) {
        match &logged.change {
            // A file without a name is invisible, so it may as well be durable at once.
            Change::Create { .. } => self.durable.apply(&logged.change, logged.at_ns),
            Change::SyncAll { inode } => {
                self.settle(|change| change.inode() == Some(*inode));
                self.settle_times(*inode);
            }
            Change::Sync { inode } => self.settle_data(*inode),
            Change::SyncFolder { path } => self.settle(|change| change.folder() == Some(path)),
            Change::SyncFailed { inode } => self.pending.retain(
                |known| !matches!(&known.change, Change::Write { inode: of, .. } if of == inode),
            ),
            _ => self.pending.push(logged.clone()),
        }
        if let Some(inode) = logged.change.inode() {
            self.newest.entry(inode).or_default().note(&logged.change, logged.at_ns);
        }
    }

    fn settle(&mut self, saved: impl Fn(&Change) -> bool) {
        for logged in self.pending.extract_if(.., |logged| saved(&logged.change)) {
            self.durable.apply(&logged.change, logged.at_ns);
        }
    }

    fn settle_times(&mut self, inode: u64) {
        let newest = self.newest.get(&inode).copied().unwrap_or_default();
        if let Some(file) = self.durable.inodes.get_mut(&inode) {
            file.times = newest.or(file.times);
        }
    }

    /// fdatasync saves the times only together with a new length, and never an attribute.
    fn settle_data(&mut self, inode: u64) {
        let of =
            |disk: &Disk| disk.inodes.get(&inode).map(|file| (file.content.length(), file.times));
        let before = of(&self.durable);
        self.settle(|change| {
            change.inode() == Some(inode) && !matches!(change, Change::SetTag { .. })
        });
        if let (Some((length, times)), Some(file)) = (before, self.durable.inodes.get_mut(&inode))
            && file.content.length() == length
        {
            file.times = times;
        } else {
            self.settle_times(inode);
        }
    }

    /// What survives one power cut here.
    pub fn survival(&self, random: &mut Random, damage: Damage) -> Survival {
        let choice = self.choice(random);
        let fates = (0..).zip(&self.pending).map(|(index, logged)| {
            if !choice.keeps(index, &logged.change, random) {
                return Fate::Dropped;
            }
            match &logged.change {
                Change::Write { offset, data, .. } if damage.torn && random.chance(1, 6) => {
                    Fate::Torn(survivors(*offset, data, random, damage))
                }
                _ => Fate::Kept,
            }
        });
        Survival { fates: fates.collect(), old_times: random.chance(1, 2) }
    }

    /// The machine that is found when just this survived, booted again.
    pub fn image_of(&self, survival: &Survival) -> SimHost {
        let mut disk = self.durable.clone();
        for (logged, fate) in self.pending.iter().zip(&survival.fates) {
            match (fate, &logged.change) {
                (Fate::Dropped, _) => {}
                (Fate::Torn(sectors), Change::Write { inode, .. }) => {
                    for (offset, data) in sectors {
                        let (inode, offset, data) = (*inode, *offset, Arc::clone(data));
                        disk.apply(&Change::Write { inode, offset, data }, logged.at_ns);
                    }
                }
                (_, change) => disk.apply(change, logged.at_ns),
            }
        }
        if survival.old_times {
            self.forget_times(&mut disk);
        }
        disk.drop_unreachable();
        let mut machine = Machine::new(disk, self.clock_ns + 30_000_000_000, self.boot + 1);
        machine.left_out.clone_from(&self.left_out);
        SimHost::of(machine)
    }

    /// A machine that may be found after a power cut here.
    pub fn image(&self, random: &mut Random, damage: Damage) -> SimHost {
        self.image_of(&self.survival(random, damage))
    }

    /// Leaves new data under the times that were durable.
    fn forget_times(&self, disk: &mut Disk) {
        for (inode, file) in &mut disk.inodes {
            if let Some(before) = self.durable.inodes.get(inode) {
                file.times = before.times;
            }
        }
    }

    fn choice(&self, random: &mut Random) -> Choice {
        let count = self.pending.len() as u64;
        match random.below(12) {
            0 => Choice::All,
            1 => Choice::Nothing,
            2 => Choice::Coins { kept_of_8: 1 },
            3 | 4 => Choice::Coins { kept_of_8: 4 },
            5 => Choice::Coins { kept_of_8: 7 },
            6 => Choice::Until(random.below(count)),
            7 => Choice::AllBut(random.below(count)),
            8 => Choice::Only(random.below(count)),
            _ => Choice::WholeFiles(
                self.files.iter().filter(|_| random.chance(1, 2)).cloned().collect(),
            ),
        }
    }
}

impl Choice {
    fn keeps(&self, index: u64, change: &Change, random: &mut Random) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Coins { kept_of_8 } => random.chance(*kept_of_8, 8),
            Self::WholeFiles(kept) => kept.contains(&File::of(change)),
            Self::Until(end) => index < *end,
            Self::AllBut(lost) => index != *lost,
            Self::Only(kept) => index == *kept,
        }
    }
}

/// The sectors of a torn write that reached the medium, some of them as garbage.
fn survivors(
    offset: u64,
    data: &[u8],
    random: &mut Random,
    damage: Damage,
) -> Vec<(u64, Arc<[u8]>)> {
    let whole = crate::units::Extent::new(offset, data.len() as u64);
    let mut rest = data;
    let mut kept = Vec::new();
    for sector in whole.pieces(SECTOR_BYTES as u64) {
        let Some((head, tail)) = rest.split_at_checked(sector.length as usize) else { break };
        rest = tail;
        if random.chance(1, 2) {
            continue;
        }
        if damage.garbage && random.chance(1, 8) {
            kept.push((sector.offset, Arc::from(random.bytes(head.len()))));
        } else {
            kept.push((sector.offset, Arc::from(head)));
        }
    }
    kept
}
