//! A scene: a source with three mirrors in a new folder, and rounds of threads on it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use splitmirror::area::Linux;
use splitmirror::engine::Control;
use splitmirror::pair::{CreateOptions, EstablishOptions, Pair, Receipt, RestoreJob};
use splitmirror::sim::Random;
use splitmirror::state::{Condition, Mode, State};
use splitmirror::units::BlockSize;
use splitmirror::volume::{Settings, Volume};

use crate::cells::{AREA, CELLS, GROUP, LARGE, Version, cell_at, records, versions_in};
use crate::model::{Model, Point, Span};
use crate::watchdog::Watchdog;
use crate::{Counts, application, operator};

const WORKERS: usize = 16;
const OPERATORS: usize = 4;
pub(crate) const THREADS: usize = WORKERS + OPERATORS;
const ROUNDS: usize = 12;
/// Blocks of each mirror.
const BLOCKS: [u64; 3] = [GROUP, 16 << 10, LARGE];
/// Small, so that batches end and regions leave the intent log all the time.
const SETTINGS: Settings = Settings {
    workers: 2,
    batch_bytes: 1 << 20,
    region_bytes: 256 << 10,
    region_slots: 16,
    background: true,
};

/// What went as it should, or what did not.
pub(crate) type Outcome<T> = Result<T, String>;

/// What is known of a mirror.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// What it holds, while it is split.
    pub(crate) point: Option<Arc<Point>>,
    /// Of the last restore from this point.
    pub(crate) receipt: Option<Receipt>,
}

pub(crate) struct Mirror {
    pub(crate) path: PathBuf,
    pub(crate) pair: Arc<Pair>,
    pub(crate) standing: Mutex<Standing>,
    pub(crate) job: Mutex<Option<Arc<RestoreJob>>>,
}

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) model: Model,
    /// Who may write a cell.
    pub(crate) turns: Vec<RwLock<()>>,
    pub(crate) stop: AtomicBool,
    pub(crate) watchdog: Arc<Watchdog>,
    problems: Mutex<Vec<String>>,
}

/// Plays one scene, not much longer than until `end`.
pub(crate) fn play(
    random: &mut Random,
    end: Instant,
    watchdog: &Arc<Watchdog>,
    counts: &mut Counts,
) -> Result<(), Vec<String>> {
    let mut scene = Scene::new(random, watchdog).map_err(|problem| vec![problem])?;
    for _ in 0..ROUNDS {
        if Instant::now() >= end {
            break;
        }
        scene.round(random, counts)?;
    }
    watchdog.tell(THREADS, "end of a scene");
    let ended = scene.end();
    watchdog.tell(THREADS, "");
    ended.map_err(|problem| vec![problem])
}

#[expect(clippy::disallowed_methods, reason = "what is in the files, whatever the volume says")]
fn bytes_of(path: &std::path::Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|error| error.to_string())
}

fn said(error: splitmirror::error::Error) -> String {
    error.to_string()
}

impl Mirror {
    pub(crate) fn bytes(&self) -> Outcome<Vec<u8>> {
        bytes_of(&self.path)
    }

    pub(crate) fn state(&self) -> &'static str {
        self.pair.status().map_or("", |status| status.pair.state)
    }

    pub(crate) fn is_pending(&self) -> bool {
        let pending = Condition::RestorePending.name();
        self.pair.status().is_ok_and(|status| status.pair.conditions.contains(&pending))
    }

    /// Rule 5.
    pub(crate) fn check_point(&self, standing: &Standing) -> Outcome<()> {
        let Some(point) = &standing.point else { return Ok(()) };
        same_bytes("the split mirror has changed", &self.bytes()?, &point.bytes)
    }
}

fn same_bytes(problem: &str, found: &[u8], wanted: &[u8]) -> Outcome<()> {
    if found == wanted {
        return Ok(());
    }
    let (length, should) = (found.len(), wanted.len());
    let differ = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
    let at = differ.unwrap_or(length.min(should));
    let cell = cell_at(at as u64);
    Err(format!("{problem}: {length} and {should} bytes, differing in cell {cell} at {at}"))
}

impl Scene {
    fn new(random: &mut Random, watchdog: &Arc<Watchdog>) -> Outcome<Self> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let source = folder.path().join("source");
        let length = (AREA / 4 + random.below(AREA / 2)) / LARGE * LARGE;
        let first: Vec<u8> = records(0..CELLS, 1).into_iter().take(length as usize).collect();
        #[expect(clippy::disallowed_methods, reason = "the source is there before its pairs")]
        std::fs::write(&source, &first).map_err(|error| error.to_string())?;
        let mut mirrors = Vec::new();
        for (number, block) in BLOCKS.into_iter().enumerate() {
            let path = folder.path().join(format!("mirror{number}"));
            let block_size = BlockSize::new(block).ok_or("not a block size")?;
            let options = CreateOptions {
                mode: Mode::Exclusive,
                block_size,
                settings: SETTINGS,
                ..CreateOptions::default()
            };
            let host = Arc::new(Linux::new(folder.path().join("state")));
            let pair = Pair::create(host, &source, &path, options).map_err(said)?;
            let (standing, job) = (Mutex::default(), Mutex::default());
            mirrors.push(Mirror { path, pair: Arc::new(pair), standing, job });
        }
        let mut model = Model::new();
        // A write of a round is later than what is there.
        model.now();
        model.begin_round(versions_in(&first)?, length);
        Ok(Self {
            folder,
            mirrors,
            model,
            turns: (0..CELLS).map(|_| RwLock::default()).collect(),
            stop: AtomicBool::new(false),
            watchdog: Arc::clone(watchdog),
            problems: Mutex::default(),
        })
    }

    pub(crate) fn volume(&self) -> Outcome<&Volume> {
        self.mirrors[0].pair.volume().map_err(said)
    }

    /// Something does not hold: the round ends.
    pub(crate) fn fail(&self, problem: String) {
        self.problems.lock().unwrap().push(problem);
        self.stop.store(true, Ordering::Release);
    }

    /// Everything at once for a while, and then a look at what is there.
    fn round(&mut self, random: &mut Random, counts: &mut Counts) -> Result<(), Vec<String>> {
        *counts.entry("rounds").or_default() += 1;
        self.stop.store(false, Ordering::Release);
        let duration = Duration::from_millis(50 + random.below(1200));
        let done: Vec<Counts> = std::thread::scope(|scope| {
            let scene = &*self;
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let random = Random::new(random.bits());
                    let work = if thread < WORKERS { application::work } else { operator::work };
                    scope.spawn(move || work(scene, thread, random))
                })
                .collect();
            let end = Instant::now() + duration;
            while Instant::now() < end && !scene.stop.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(5));
            }
            scene.stop.store(true, Ordering::Release);
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        for (what, count) in done.into_iter().flatten() {
            *counts.entry(what).or_default() += count;
        }
        self.watchdog.tell(THREADS, "between rounds");
        let looked = self.between_rounds(random, counts);
        self.watchdog.tell(THREADS, "");
        let mut problems = std::mem::take(&mut *self.problems.lock().unwrap());
        problems.extend(looked.err());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn between_rounds(&mut self, random: &mut Random, counts: &mut Counts) -> Outcome<()> {
        let (versions, length) = self.look()?;
        if self.model.check_last_restore(&versions)? {
            *counts.entry("restores checked for one instant").or_default() += 1;
        }
        if random.chance(1, 2) {
            self.mirrors.iter().try_for_each(operator::finish)?;
            let again = self.look()?;
            if again != (versions.clone(), length) {
                return Err("the end of a restore changed what the source holds".into());
            }
        }
        self.check_files()?;
        self.model.begin_round(versions, length);
        Ok(())
    }

    /// The whole source, while everything stands still but a copier: rules 2 and 6.
    fn look(&self) -> Outcome<(Vec<Version>, u64)> {
        let volume = self.volume()?;
        let mut bytes = vec![0xee; AREA as usize];
        let call = self.model.now();
        let read = volume.read(&mut bytes, 0).map_err(said)?;
        let length = volume.length().map_err(said)?;
        let seen = Span { call, ret: self.model.now() };
        if read as u64 != length {
            return Err(format!("{read} bytes can be read of {length}"));
        }
        bytes.truncate(read);
        let versions = versions_in(&bytes)?;
        let cells = versions.iter().enumerate();
        cells.into_iter().try_for_each(|(cell, found)| self.model.check(cell, *found, seen))?;
        self.model.check_length(length, seen)?;
        Ok((versions, length))
    }

    /// Rules 5 and 7, and that the source's file is what the volume reads where nothing is redirected.
    fn check_files(&self) -> Outcome<()> {
        let source = bytes_of(&self.folder.path().join("source"))?;
        if !self.mirrors.iter().any(Mirror::is_pending) {
            let mut read = vec![0; AREA as usize];
            let count = self.volume()?.read(&mut read, 0).map_err(said)?;
            same_bytes("the file is not what is read", &source, &read[..count])?;
        }
        for mirror in &self.mirrors {
            mirror.check_point(&mirror.standing.lock().unwrap())?;
            if mirror.state() == State::Synchronized.name() {
                let name = mirror.path.display();
                let problem = format!("{name} is synchronized and not the source");
                same_bytes(&problem, &mirror.bytes()?, &source)?;
            }
        }
        Ok(())
    }

    /// All restores end, all mirrors follow, and all is equal, also on a new look at the closed pairs.
    fn end(&self) -> Outcome<()> {
        self.mirrors.iter().try_for_each(operator::finish)?;
        self.check_files()?;
        let source = bytes_of(&self.folder.path().join("source"))?;
        for mirror in &self.mirrors {
            let options = EstablishOptions::default();
            mirror.pair.establish(&options, &Control::default()).map_err(said)?;
            mirror.give_up(&mut mirror.standing.lock().unwrap());
        }
        self.check_files()?;
        for mirror in &self.mirrors {
            mirror.pair.close().map_err(said)?;
            same_bytes("closed, a mirror is not the source", &mirror.bytes()?, &source)?;
        }
        Ok(())
    }
}
