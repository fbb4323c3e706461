//! The catalog alone under power cuts: a commit is there wholly or not at all, and once it has returned it stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use splitmirror::area::{Kind, Order, Ownership, Stamp};
use splitmirror::bitmap::Bitmap;
use splitmirror::catalog::{
    Catalog, Epoch, MapKind, MapRef, MirrorRecord, Record, Seal, SourceRecord,
};
use splitmirror::error::Result;
use splitmirror::sim::{Random, SimHost};
use splitmirror::state::{Conditions, Mode, State};
use splitmirror::units::{BlockRun, BlockSize};
use uuid::Uuid;

use crate::campaign::{Figures, Verdict, assert_each_needed, campaign, samples, seed};

/// Enough for three pages of a bitmap, the last one partly filled.
const BLOCKS: u64 = 70_000;
const STEPS: u64 = 24;

pub(crate) fn folder() -> PathBuf {
    "/data/mirror.splitmirror".into()
}

pub(crate) fn new_record() -> Record {
    let stamp = Stamp {
        device: 1,
        file_system: 1,
        inode: 1,
        length: BLOCKS * 4096,
        modified_ns: 0,
        changed_ns: 0,
    };
    Record {
        pair_id: Uuid::from_u128(1),
        volume_id: Uuid::from_u128(2),
        volume_is_ours: true,
        mode: Mode::Shared,
        block_size: BlockSize::new(4096).unwrap(),
        created_ns: 0,
        source: SourceRecord {
            path: Path::new("/data/source").into(),
            kind: Kind::File,
            ownership: Ownership { mode: 0o600, user: 0, group: 0 },
        },
        mirror: MirrorRecord { path: Path::new("/data/mirror").into(), kind: Kind::File, stamp },
        state: State::Initialized,
        conditions: Conditions::default(),
        hold: None,
        generation: 0,
        epoch: Epoch::default(),
        length: BLOCKS * 4096,
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
    }
}

/// What the catalog must hold: a number in the record, and a bitmap that lies between two others (a bitmap that
/// is worked off may fall back to more, never to less than is true).
#[derive(Clone)]
struct Content {
    number: u64,
    least: Arc<Bitmap>,
    most: Arc<Bitmap>,
    sealed: Option<Seal>,
}

/// From this position of the log on, either of these may be found.
struct Step {
    before: Option<Content>,
    after: Option<Content>,
}

struct Story {
    host: SimHost,
    steps: BTreeMap<usize, Step>,
    now: Option<Content>,
}

fn random_set(random: &mut Random) -> Bitmap {
    let set = if random.chance(1, 3) { Bitmap::full(BLOCKS) } else { Bitmap::new(BLOCKS) };
    for _ in 0..random.below(4) {
        let first = random.below(BLOCKS);
        let run = BlockRun { first, count: random.below(BLOCKS - first).min(40_000) };
        if random.chance(1, 2) { set.set(run) } else { set.clear(run) }
    }
    set
}

fn load_dirty(catalog: &mut Catalog) -> Result<Option<Bitmap>> {
    Ok(catalog.load_map(MapKind::Dirty)?.and_then(|layers| layers.into_iter().next()))
}

impl Story {
    fn begin(&mut self, after: Option<Content>) {
        let step = Step { before: self.now.clone(), after: after.clone() };
        self.steps.insert(self.host.log_len(), step);
        self.now = after;
    }

    fn end(&mut self) {
        let step = Step { before: self.now.clone(), after: self.now.clone() };
        self.steps.insert(self.host.log_len(), step);
    }

    fn open(&self) -> Result<Catalog> {
        Catalog::open(Arc::new(self.host.clone()), &folder())
    }

    fn create(host: SimHost) -> (Self, Catalog) {
        let mut story = Self { host: host.clone(), steps: BTreeMap::new(), now: None };
        let set = Arc::new(Bitmap::new(BLOCKS));
        let content = Content { number: 0, least: set.clone(), most: set, sealed: None };
        story.begin(Some(content));
        let catalog = Catalog::create(Arc::new(host), &folder(), new_record()).unwrap();
        story.end();
        (story, catalog)
    }

    /// One random operation.
    fn step(&mut self, catalog: &mut Catalog, random: &mut Random) {
        let Some(now) = self.now.clone() else { return };
        let number = now.number + 1;
        match random.below(10) {
            0..4 => {
                self.begin(Some(Content { number, ..now }));
                catalog.commit(|record| record.generation = number).unwrap();
            }
            4..7 => {
                let set = Arc::new(random_set(random));
                let (least, most) = (set.clone(), set.clone());
                self.begin(Some(Content { number, least, most, ..now }));
                let maps: [(MapKind, &[&Bitmap]); 1] = [(MapKind::Dirty, &[&set])];
                catalog.commit_with(&maps, |record| record.generation = number).unwrap();
            }
            7 | 8 => {
                let Some(set) = load_dirty(catalog).unwrap() else { return };
                let touched = random_set(random);
                let rest = set.snapshot();
                rest.remove(&touched);
                let rest = Arc::new(rest);
                self.begin(Some(Content { least: rest.clone(), ..now }));
                catalog.rewrite(MapKind::Dirty, &[&rest], &touched).unwrap();
            }
            _ => {
                let digests = vec![[number as u8; 32]; 3];
                let seal =
                    Seal { block_size: BlockSize::new(4096).unwrap(), length: 3 * 4096, digests };
                let content = Content { number, sealed: Some(seal.clone()), ..now };
                self.begin(Some(content));
                catalog.write_seal(&seal).unwrap();
                let root = seal.root();
                catalog
                    .commit(|record| {
                        record.generation = number;
                        record.hold = Some(root);
                    })
                    .unwrap();
            }
        }
        self.end();
    }

    fn run(seed: u64, rule: Option<Order>) -> Self {
        let mut random = Random::new(seed);
        let host = SimHost::new();
        host.put(Path::new("/data/mirror"), b"");
        host.settle();
        rule.into_iter().for_each(|rule| host.leave_out(rule));
        let (mut story, mut catalog) = Self::create(host);
        for _ in 0..STEPS {
            if random.chance(1, 4) {
                drop(catalog);
                catalog = story.open().unwrap();
                // Some sessions never look at the bitmap before they replace it.
                if random.chance(1, 2) {
                    catalog.load_map(MapKind::Dirty).unwrap();
                }
            }
            story.step(&mut catalog, &mut random);
        }
        story
    }

    fn check(&self, image: &SimHost, position: usize) -> Verdict {
        let Some((_, step)) = self.steps.range(..=position).next_back() else { return Ok(()) };
        let found = match Catalog::exists(image, &folder()) {
            Ok(true) => Some(Catalog::open(Arc::new(image.clone()), &folder())),
            Ok(false) => None,
            Err(error) => return Err(error.to_string()),
        };
        let Some(found) = found else {
            return step.before.as_ref().map_or(Ok(()), |_| Err("the catalog is gone".into()));
        };
        let mut catalog = found.map_err(|error| format!("it does not open: {error}"))?;
        let number = catalog.record().generation;
        let candidates = [&step.before, &step.after];
        let mut candidates =
            candidates.into_iter().flatten().filter(|content| content.number == number).peekable();
        if candidates.peek().is_none() {
            return Err(format!("the record {number} is neither the old nor the new one"));
        }
        let set = load_dirty(&mut catalog).map_err(|error| error.to_string())?;
        let set = set.ok_or("the bitmap is not believed")?;
        let lacks = |set: &Bitmap, wanted: &Bitmap| {
            let missing = wanted.snapshot();
            missing.remove(set);
            !missing.is_empty()
        };
        let all: Vec<&Content> = candidates.collect();
        if all.iter().all(|content| lacks(&set, &content.least)) {
            return Err(format!("record {number}: the bitmap lacks blocks"));
        }
        if all.iter().all(|content| lacks(&content.most, &set)) {
            return Err(format!("record {number}: the bitmap has blocks of another one"));
        }
        check_seal(&mut catalog, &all, step)
    }
}

/// The record names the root of a seal: the file with these digests must be there, though a newer one may have
/// taken its place when its root was about to be recorded.
fn check_seal(catalog: &mut Catalog, all: &[&Content], step: &Step) -> Verdict {
    let Some(root) = catalog.record().hold.clone() else { return Ok(()) };
    let of = |content: &Content| content.sealed.as_ref().is_some_and(|seal| seal.root() == root);
    let newest = step.after.as_ref().is_none_or(of);
    let known = all.iter().any(|content| of(content));
    if !known {
        return Err("the record names the root of no seal".into());
    }
    let point = splitmirror::catalog::Point {
        label: None,
        taken_ns: 0,
        consistency: splitmirror::state::Consistency::Flushed,
        root: Some(root),
    };
    catalog.commit(|record| record.point = Some(point)).map_err(|error| error.to_string())?;
    match catalog.read_seal() {
        Err(error) if newest => Err(format!("the seal cannot be read: {error}")),
        _ => Ok(()),
    }
}

fn run(rule: Option<Order>, samples: u64, stories: u64) -> Figures {
    let mut figures = Figures::default();
    for number in 0..stories {
        let story = Story::run(seed() + number, rule);
        let len = story.host.log_len();
        let check = |image: &SimHost, position: usize, random: &mut Random| {
            story.check(image, position)?;
            if !random.chance(1, 8) {
                return Ok(());
            }
            // Two deep: what was found is used and the power cut again.
            let Ok(true) = Catalog::exists(image, &folder()) else { return Ok(()) };
            again(image, random)
        };
        figures.add(campaign(&story.host, 0..len, samples, &check));
        if figures.violation.is_some() {
            break;
        }
    }
    figures
}

/// Goes on from a machine found after a power cut, and cuts the power once more.
fn again(image: &SimHost, random: &mut Random) -> Verdict {
    let host = image.kill(image.log_len());
    let mut catalog =
        Catalog::open(Arc::new(host.clone()), &folder()).map_err(|error| error.to_string())?;
    // A seal that was being replaced may belong to no record any more.
    catalog.commit(|record| record.hold = None).map_err(|error| error.to_string())?;
    let number = catalog.record().generation;
    let set = load_dirty(&mut catalog).map_err(|error| error.to_string())?;
    let set = set.ok_or("the bitmap is not believed")?;
    if random.chance(1, 2) {
        drop(catalog);
        catalog = Catalog::open(Arc::new(host.clone()), &folder()).map_err(|e| e.to_string())?;
    }
    let set = Arc::new(set);
    let now = Content { number, least: set.clone(), most: set, sealed: None };
    let mut second = Story { host, steps: BTreeMap::new(), now: Some(now) };
    second.end();
    for _ in 0..2 {
        second.step(&mut catalog, random);
    }
    let len = second.host.log_len();
    for _ in 0..4 {
        let position = random.below(len as u64 + 1) as usize;
        let found = second.host.crash(position, random);
        second.check(&found, position).map_err(|what| {
            format!("{what} (second power cut, before: {})", second.host.describe(position))
        })?;
    }
    Ok(())
}

#[test]
fn i4_a_commit_is_there_wholly_or_not_at_all() {
    let samples = samples() / 4 + 1;
    run(None, samples, 6).assert_clean("catalog");
}

#[test]
fn each_rule_of_the_catalog_is_needed() {
    let rules = [
        Order::PagesSyncedBeforeRecord,
        Order::RecordSynced,
        Order::AlternateSlots,
        Order::ChecksumTested,
        Order::FolderSynced,
        Order::SealSyncedBeforeRoot,
    ];
    assert_each_needed(&rules, |rule| Some(run(Some(rule), samples() / 4 + 1, 6)));
}
