//! The intent log alone under power cuts: what was acknowledged is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use splitmirror::area::Order;
use splitmirror::catalog::{Catalog, IntentLog, Logged};
use splitmirror::sim::{Random, SimHost};

use crate::campaign::{Figures, Verdict, assert_each_needed, campaign, samples, seed};
use crate::catalog::{folder, new_record};

const STEPS: u64 = 24;
const PAGES: u64 = IntentLog::PAGES as u64;

type Regions = BTreeSet<u64>;

/// A generation, with all contents that each page may be found to have.
#[derive(Clone)]
struct Content {
    generation: u64,
    region_bytes: u64,
    pages: Vec<Vec<Regions>>,
}

impl Content {
    fn empty() -> Self {
        Self { generation: 0, region_bytes: 0, pages: vec![vec![Regions::new()]; IntentLog::PAGES] }
    }

    /// A machine with this content was found.
    fn of(generation: u64, logged: &Logged) -> Self {
        let mut content = Self { generation, region_bytes: logged.region_bytes, ..Self::empty() };
        for (page, contents) in (0..).zip(&mut content.pages) {
            *contents = vec![of_page(logged, page)];
        }
        content
    }

    /// Why a machine must not be found with this.
    fn check(&self, logged: &Logged) -> Verdict {
        if logged.region_bytes != self.region_bytes {
            return Err(format!("regions have {} bytes", logged.region_bytes));
        }
        for (page, contents) in (0..).zip(&self.pages) {
            let found = of_page(logged, page);
            if !contents.contains(&found) {
                let what = format!("page {page} names {:?} and more", found.first());
                return Err(format!("{what}, which is none of {} contents", contents.len()));
            }
        }
        Ok(())
    }
}

/// Regions are chosen so that they tell their page.
fn of_page(logged: &Logged, page: u64) -> Regions {
    logged.regions.iter().copied().filter(|region| region % PAGES == page).collect()
}

fn random_page(random: &mut Random, page: u64) -> Vec<u64> {
    let most = if random.chance(1, 8) { IntentLog::SLOTS_PER_PAGE as u64 } else { 3 };
    let count = random.below(most + 1);
    (0..count).map(|_| random.below(100_000) * PAGES + page).collect()
}

struct Story {
    host: SimHost,
    /// From a position of the log on, either of these may be found.
    steps: BTreeMap<usize, Vec<Content>>,
    /// What the record names.
    now: Content,
    /// What was begun and is not named by the record.
    begun: Option<Content>,
    generations: u64,
}

impl Story {
    fn new(host: SimHost, now: Content) -> Self {
        let generations = now.generation + 1000;
        Self { host, steps: BTreeMap::new(), now, begun: None, generations }
    }

    fn may_be(&mut self, found: Vec<Content>) {
        self.steps.insert(self.host.log_len(), found);
    }

    fn now(&mut self) {
        self.may_be(vec![self.now.clone()]);
    }

    fn open(&self) -> Catalog {
        Catalog::open(Arc::new(self.host.clone()), &folder()).unwrap()
    }

    /// One random operation.
    fn step(&mut self, catalog: &mut Catalog, random: &mut Random) {
        let log = catalog.intents();
        match random.below(10) {
            0..5 => {
                let Some(target) = self.begun.as_mut().or(Some(&mut self.now)) else { return };
                if target.generation == 0 {
                    return;
                }
                let page = random.below(PAGES);
                let regions = random_page(random, page);
                target.pages[page as usize].push(regions.iter().copied().collect());
                self.now();
                log.store(page as usize, &regions).unwrap();
            }
            5..8 => {
                log.sync().unwrap();
                let target = self.begun.as_mut().unwrap_or(&mut self.now);
                for contents in &mut target.pages {
                    contents.drain(..contents.len() - 1);
                }
                self.now();
            }
            8 => {
                let pages: Vec<Vec<u64>> =
                    (0..random.below(PAGES + 1)).map(|page| random_page(random, page)).collect();
                self.generations += 1;
                let mut content =
                    Content { generation: self.generations, region_bytes: 64, ..Content::empty() };
                for (contents, regions) in content.pages.iter_mut().zip(&pages) {
                    *contents = vec![regions.iter().copied().collect()];
                }
                log.begin(self.generations, 64, &pages).unwrap();
                // What was stored before is made durable by that.
                self.now.pages.iter_mut().for_each(|page| drop(page.drain(..page.len() - 1)));
                self.begun = Some(content);
                self.now();
            }
            _ => {
                let Some(mut begun) = self.begun.take() else { return };
                // What was stored since it began is synced before the record is written.
                begun.pages.iter_mut().for_each(|page| drop(page.drain(..page.len() - 1)));
                self.may_be(vec![self.now.clone(), begun.clone()]);
                catalog.commit(|record| record.intents = begun.generation).unwrap();
                self.now = begun;
                self.now();
            }
        }
    }

    /// Another process goes on; nothing was lost.
    fn reopen(&mut self, catalog: Catalog) -> Catalog {
        drop(catalog);
        let catalog = self.open();
        self.begun = None;
        self.now.pages.iter_mut().for_each(|page| drop(page.drain(..page.len() - 1)));
        self.now();
        catalog
    }

    fn run(seed: u64, rule: Option<Order>) -> Self {
        let mut random = Random::new(seed);
        let host = SimHost::new();
        host.put(Path::new("/data/mirror"), b"");
        host.settle();
        rule.into_iter().for_each(|rule| host.leave_out(rule));
        let mut catalog = Catalog::create(Arc::new(host.clone()), &folder(), new_record()).unwrap();
        let mut story = Self::new(host, Content::empty());
        story.now();
        for _ in 0..STEPS {
            if random.chance(1, 8) {
                catalog = story.reopen(catalog);
            }
            story.step(&mut catalog, &mut random);
        }
        story
    }

    fn check(&self, image: &SimHost, position: usize) -> Verdict {
        let Some((_, candidates)) = self.steps.range(..=position).next_back() else {
            return Ok(());
        };
        let (generation, found) = found(image)?;
        let found = found.ok_or("the log is not believed")?;
        let of = candidates.iter().find(|content| content.generation == generation);
        of.ok_or(format!("the record names generation {generation}"))?.check(&found)
    }
}

/// The generation that the record names, and what it says.
pub(crate) fn found(image: &SimHost) -> Result<(u64, Option<Logged>), String> {
    let catalog = Catalog::open(Arc::new(image.clone()), &folder())
        .map_err(|error| format!("it does not open: {error}"))?;
    let generation = catalog.record().intents;
    let logged = catalog.intents().load(generation).map_err(|error| error.to_string())?;
    Ok((generation, logged))
}

/// Goes on from a machine found after a power cut, or from a killed process, and cuts the power (once more).
fn again(host: SimHost, random: &mut Random) -> Verdict {
    let (generation, logged) = found(&host)?;
    let logged = logged.ok_or("the log is not believed")?;
    let mut second = Story::new(host, Content::of(generation, &logged));
    let mut catalog = second.open();
    second.now();
    let begin = second.host.log_len() as u64;
    for _ in 0..4 {
        second.step(&mut catalog, random);
    }
    let len = second.host.log_len() as u64;
    for _ in 0..4 {
        let position = (begin + random.below(len - begin + 1)) as usize;
        second.check(&second.host.crash(position, random), position).map_err(|what| {
            format!("{what} (second power cut, before: {})", second.host.describe(position))
        })?;
    }
    Ok(())
}

fn run(rule: Option<Order>, samples: u64, stories: u64) -> Figures {
    let mut figures = Figures::default();
    for number in 0..stories {
        let story = Story::run(seed() + number, rule);
        let first = story.steps.keys().next().copied().unwrap_or(0);
        let check = |image: &SimHost, position: usize, random: &mut Random| {
            story.check(image, position)?;
            match random.below(16) {
                0 => again(image.kill(image.log_len()), random),
                1 => again(story.host.kill(position), random),
                _ => Ok(()),
            }
        };
        figures.add(campaign(&story.host, first..story.host.log_len(), samples, &check));
        if figures.violation.is_some() {
            break;
        }
    }
    figures
}

#[test]
fn i2_what_the_intent_log_has_acknowledged_is_read_back() {
    run(None, samples() / 8 + 1, 6).assert_clean("intents");
}

#[test]
fn each_rule_of_the_intent_log_is_needed() {
    let rules = [
        Order::IntentSlotsAlternate,
        Order::IntentsSyncedBeforeRecord,
        Order::LeftSyncedBeforeBelieved,
        Order::ChecksumTested,
    ];
    assert_each_needed(&rules, |rule| Some(run(Some(rule), samples() / 4 + 1, 6)));
}
