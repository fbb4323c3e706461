//! What is checked on a machine found after a power cut, and that the documented ways on lead to equal sides.

use std::path::Path;
use std::sync::Arc;

use splitmirror::area::{Host, Order};
use splitmirror::catalog::{Catalog, MapKind, Record};
use splitmirror::error::Error;
use splitmirror::pair::{
    EstablishOptions, OpenOptions, Pair, RestoreOptions, ResumeOptions, SplitOptions,
};
use splitmirror::sim::{Random, SimHost};
use splitmirror::state::{Condition, Mode, State};
use splitmirror::units::{Extent, subtracted};

use crate::campaign::Verdict;
use crate::model::{Promise, catalog, difference, masked, mirror, source};
use crate::story::{BLOCK, SETTINGS, Story, control};

/// Everything that must hold on the machine found after a power cut at a position of a story.
pub(crate) fn check(
    story: &Story,
    image: &SimHost,
    position: usize,
    random: &mut Random,
) -> Verdict {
    let allowed = story.facts.at(position);
    let record = match Catalog::peek(image, &catalog()) {
        Ok(record) => Some(record),
        Err(Error::CatalogMissing { .. }) => None,
        Err(error) => return Err(format!("the catalog: {error}")),
    };
    let promises = matching(image, record.as_ref(), allowed)?;
    match record {
        None => Ok(()),
        Some(record) => recover(image, story.mode, &record, &promises, 2, random),
    }
}

/// The promises that the machine fulfils; at least one of them must be.
fn matching(
    image: &SimHost,
    record: Option<&Record>,
    allowed: &[Promise],
) -> Result<Vec<Promise>, String> {
    let state = record.map(|record| record.state);
    let pending = record.is_some_and(|record| record.pending.is_some());
    let root =
        record.and_then(|record| record.point.as_ref()).and_then(|point| point.root.as_ref());
    let mut why = Vec::new();
    let mut found = Vec::new();
    for promise in allowed {
        let problem = if promise.state != state || promise.goal.is_some() != pending {
            format!("the state is {state:?} (pending: {pending}), not {:?}", promise.state)
        } else if promise.sealed && root.is_none() {
            "the seal is not recorded".to_owned()
        } else if let Some(what) = wrong_mirror(image, &mirror(), promise) {
            format!("{state:?}: the mirror: {what}")
        } else if let Some(what) = wrong(image, &source(), promise.source.as_deref()) {
            format!("{state:?}: the source: {what}")
        } else {
            found.push(promise.clone());
            continue;
        };
        why.push(problem);
    }
    if found.is_empty() { Err(why.join("; ")) } else { Ok(found) }
}

pub(crate) fn wrong_mirror(image: &SimHost, mirror: &Path, promise: &Promise) -> Option<String> {
    let (Some(wanted), None) = (&promise.mirror, &promise.goal) else {
        return wrong(image, mirror, promise.mirror.as_deref());
    };
    if promise.loose.is_empty() {
        return wrong(image, mirror, Some(wanted));
    }
    let found = masked(&image.contents(mirror).unwrap_or_default(), &promise.loose);
    let wanted = masked(wanted, &promise.loose);
    (found != wanted).then(|| difference(&found, &wanted))
}

pub(crate) fn wrong(image: &SimHost, path: &Path, wanted: Option<&Vec<u8>>) -> Option<String> {
    let wanted = wanted?;
    if image.holds_bytes(path, wanted) {
        return None;
    }
    Some(
        image
            .contents(path)
            .map_or_else(|| "it is gone".into(), |found| difference(&found, wanted)),
    )
}

/// Whether no rule is left out: the message of a mutant is then about what it broke first.
pub(crate) fn keeps_all(image: &SimHost) -> bool {
    Order::ALL.iter().all(|rule| image.keeps(*rule))
}

pub(crate) fn open(image: &SimHost, mirror: &Path) -> Result<Pair, String> {
    let host: Arc<dyn Host> = Arc::new(image.clone());
    let options = OpenOptions { settings: SETTINGS, ..OpenOptions::default() };
    Pair::open(host, mirror, options).map_err(|error| format!("open() failed: {error}"))
}

/// Opens what was found, does what the documentation says, and checks that source and mirror are then equal.
/// `deep`: how many power cuts in all.
fn recover(
    image: &SimHost,
    mode: Mode,
    record: &Record,
    promises: &[Promise],
    deep: u32,
    random: &mut Random,
) -> Verdict {
    let point = image.contents(&mirror()).unwrap_or_default();
    let before = image.contents(&source());
    let named = match mode {
        // Where stores were not tracked, everything is compared.
        Mode::Exclusive
            if keeps_all(image)
                && !record.conditions.has(Condition::TrackerLost)
                && random.chance(1, 3) =>
        {
            named(image, &catalog())?
        }
        _ => None,
    };
    let pair = open(image, &mirror())?;
    for (path, bytes) in [(mirror(), Some(&point)), (source(), before.as_ref())] {
        if image.contents(&path).as_ref() != bytes {
            return Err(format!("open() changed {} (I6)", path.display()));
        }
    }
    covered(image, mode, &pair)?;
    if let Some(named) = named {
        bounded(&pair, record.state, &named)?;
    }
    // Without this rule the epoch is not recorded either; what its test is to find is a wrong mirror.
    if image.keeps(Order::StateBeforeMirrorBytes) {
        explained(&pair)?;
    }
    match (record.state, record.pending.is_some()) {
        (State::Split, true) => resumed(image, &pair, promises)?,
        (State::Split, false) => {
            pair.restore(&RestoreOptions::default(), &control())
                .map_err(|error| format!("restore() failed: {error}"))?;
            equal(image)?;
        }
        _ => {
            let options = EstablishOptions::default();
            pair.establish(&options, &control())
                .map_err(|error| format!("establish() failed: {error}"))?;
            equal(image)?;
            pair.split(&SplitOptions::default())
                .map_err(|error| format!("split() failed: {error}"))?;
            if image.contents(&source()) != before {
                return Err("establish() changed the source (I6)".into());
            }
        }
    }
    if record.state == State::Split && !image.holds_bytes(&mirror(), &point) {
        return Err("the split mirror was changed by a restore (I1)".into());
    }
    if promises.iter().all(|promise| promise.sealed) {
        let scrubbed =
            pair.scrub(&control()).map_err(|error| format!("scrub() failed: {error}"))?;
        if !scrubbed.intact {
            return Err("the seal does not hold".into());
        }
    }
    if deep > 1 && random.chance(1, 3) {
        return again(image, mode, record, promises, &point, random);
    }
    Ok(())
}

/// A second power cut, during the recovery or after it.
fn again(
    image: &SimHost,
    mode: Mode,
    record: &Record,
    promises: &[Promise],
    point: &[u8],
    random: &mut Random,
) -> Verdict {
    let end = image.log_len();
    let position = if random.chance(1, 3) { end } else { random.below(end as u64 + 1) as usize };
    let found = image.crash(position, random);
    let context = |what: String| {
        let then = Catalog::peek(&found, &catalog()).ok();
        format!(
            "{what}\n  second power cut at {position} of {end}, before: {}\n  found first: {}\n  found then: {}",
            image.describe(position),
            brief(record),
            then.as_ref().map(brief).unwrap_or_default()
        )
    };
    let again = Catalog::peek(&found, &catalog()).map_err(|error| context(error.to_string()))?;
    if record.state == State::Split {
        if again.state != State::Split {
            return Err(context(format!("the point is lost: {:?}", again.state)));
        }
        if !found.holds_bytes(&mirror(), point) {
            return Err(context("the split mirror is not its point any more (I1)".into()));
        }
    }
    if position == end {
        if again.state != State::Split || again.pending.is_some() {
            return Err(context(format!("what had returned is gone: {:?} (I4)", again.state)));
        }
        equal_or_goal(&found, promises).map_err(|what| context(format!("{what} (I4)")))?;
    } else if again.state == State::Split && record.state != State::Split {
        // The recovery had come to its split: the mirror is what the source was when it was established.
        if !found.holds_bytes(&mirror(), &image.contents(&mirror()).unwrap_or_default()) {
            return Err(context("split before the mirror was what it is to hold (I1)".into()));
        }
    }
    let promises = if again.pending.is_some() && record.pending.is_none() {
        let goal = Some(Arc::new(point.to_vec()));
        vec![Promise { goal, ..Promise::nothing(&Arc::default()).with_source(None) }]
    } else {
        promises.iter().map(|promise| Promise { sealed: false, ..promise.clone() }).collect()
    };
    recover(&found, mode, &again, &promises, 1, random).map_err(context)
}

/// A record in a line, for messages.
fn brief(record: &Record) -> String {
    format!(
        "{} {:?} epoch {:?}{}{}",
        record.state.name(),
        record.conditions.names(),
        record.epoch,
        if record.open_for_writing { ", open for writing" } else { "" },
        if record.clean.is_some() { ", clean" } else { "" },
    )
}

/// No other pair of the source exists in these stories, so none can have written it (I7).
fn explained(pair: &Pair) -> Verdict {
    let status = pair.status().map_err(|error| format!("status() failed: {error}"))?;
    match status.tracking {
        Some(tracking) if tracking.reason == "missed-epoch" => {
            Err("the catalog does not know of a session of its own: missed-epoch (I7)".into())
        }
        _ => Ok(()),
    }
}

fn equal(image: &SimHost) -> Verdict {
    if image.same_bytes(&source(), &mirror()) {
        return Ok(());
    }
    let (left, right) = (image.contents(&source()), image.contents(&mirror()));
    Err(format!(
        "source and mirror are not equal: {}",
        difference(&left.unwrap_or_default(), &right.unwrap_or_default())
    ))
}

fn equal_or_goal(image: &SimHost, promises: &[Promise]) -> Verdict {
    if promises.iter().any(|promise| promise.goal.is_some()) {
        return reached(image, promises);
    }
    equal(image)
}

fn resumed(image: &SimHost, pair: &Pair, promises: &[Promise]) -> Verdict {
    let receipt = pair
        .resume_restore(&ResumeOptions::default(), &control())
        .map_err(|error| format!("resume_restore() failed: {error}"))?;
    if !receipt.complete {
        return Err("resume_restore() left something out".into());
    }
    reached(image, promises)?;
    // Where the application wrote and flushed it, the receipt says so (R10).
    let written = |block: &usize| {
        let offset = (block * BLOCK) as u64;
        receipt.provenance.iter().any(|run| {
            run.origin == "app-written" && (run.offset..run.offset + run.length).contains(&offset)
        })
    };
    if promises.iter().any(|promise| promise.app_written.iter().all(written)) {
        return Ok(());
    }
    Err(format!("what the application wrote is not in the receipt: {:?}", receipt.provenance))
}

/// Whether the source is what a restore was to bring, apart from bytes that were written and not flushed.
pub(crate) fn reached(image: &SimHost, promises: &[Promise]) -> Verdict {
    let found = image.contents(&source()).unwrap_or_default();
    let mut why = Vec::new();
    for promise in promises {
        let Some(goal) = &promise.goal else { continue };
        let (left, right) = (masked(&found, &promise.loose), masked(goal, &promise.loose));
        if left == right {
            return Ok(());
        }
        why.push(difference(&left, &right));
    }
    Err(format!("the source is not what the restore was to bring: {}", why.join("; ")))
}

/// I2: each block in which the sides differ is in what a plan made now would look at; and after a power cut a plan
/// of a shared source believes no bitmap.
pub(crate) fn covered(image: &SimHost, mode: Mode, pair: &Pair) -> Verdict {
    if image.inode(&source()).is_none() {
        return Ok(());
    }
    let plan = pair.plan_establish(false).map_err(|error| format!("plan_establish(): {error}"))?;
    let plan = plan.report();
    if mode == Mode::Shared && plan.reason == "bitmap" {
        return Err("a shared source is believed after a power cut (I2)".into());
    }
    let (left, right) = (image.contents(&source()), image.contents(pair.mirror_path()));
    let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
    let differing: Vec<Extent> = (0..left.len().div_ceil(BLOCK))
        .filter(|block| {
            let range = |bytes: &[u8]| {
                bytes.get(block * BLOCK..((block + 1) * BLOCK).min(bytes.len())).map(<[u8]>::to_vec)
            };
            range(&left) != range(&right)
        })
        .map(|block| Extent::new((block * BLOCK) as u64, BLOCK as u64))
        .map(|extent| extent.intersect(Extent::new(0, left.len() as u64)))
        .collect();
    let missed: Vec<u64> = subtracted(&splitmirror::units::merged(differing), &plan.extents)
        .iter()
        .filter(|extent| !zeros(&left, &right, **extent))
        .map(|extent| extent.offset / BLOCK as u64)
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(format!("blocks {missed:?} differ and are not in the plan '{}' (I2)", plan.reason))
}

/// What the catalog says may differ: the marks, the regions of the intent log, what was handed out, and what is still to be restored. `None`
/// when one is damaged.
pub(crate) fn named(image: &SimHost, folder: &Path) -> Result<Option<Vec<Extent>>, String> {
    let said = |error: Error| format!("the catalog: {error}");
    let host: Arc<dyn Host> = Arc::new(image.clone());
    let mut opened = Catalog::open(host, folder).map_err(said)?;
    let record = opened.record().clone();
    let marks = opened.load_map(MapKind::Dirty).map_err(said)?;
    let logged = opened.intents().load(record.intents).map_err(said)?;
    let pending = match record.pending {
        Some(_) => opened.load_map(MapKind::Restore).map_err(said)?,
        None => Some(Vec::new()),
    };
    let (Some(marks), Some(logged), Some(pending)) = (marks, logged, pending) else {
        return Ok(None);
    };
    let marks = marks.iter().chain(pending.first());
    let marks = marks.flat_map(|marks| marks.extents(record.block_size, u64::MAX >> 1));
    let region = |region: &u64| Extent::new(region * logged.region_bytes, logged.region_bytes);
    let logged = logged.regions.iter().map(region);
    Ok(Some(splitmirror::units::merged(marks.chain(logged).chain(record.handed_out).collect())))
}

/// A recovery looks at what the catalog names, and at nothing else: it takes no longer because the source is large.
pub(crate) fn bounded(pair: &Pair, state: State, named: &[Extent]) -> Verdict {
    let plan = pair.plan_establish(false).map_err(|error| format!("plan_establish(): {error}"))?;
    let plan = plan.report();
    if !["bitmap", "unclean-close"].contains(&plan.reason) {
        return match state {
            // What an establish under way had written of the mirror, nobody knows.
            State::Initialized | State::Unsynchronized => Ok(()),
            _ => Err(format!("all is compared, {state:?}: {}", plan.reason)),
        };
    }
    let more: Vec<u64> = subtracted(&plan.extents, named)
        .iter()
        .map(|extent| extent.offset / BLOCK as u64)
        .collect();
    if more.is_empty() {
        return Ok(());
    }
    Err(format!("blocks {more:?} are in the plan '{}' and nobody has named them", plan.reason))
}

/// A hole of the source beyond the mirror's end needs no copying: the new length brings it.
fn zeros(left: &[u8], right: &[u8], extent: Extent) -> bool {
    let range = extent.offset as usize..extent.end() as usize;
    let part = |bytes: &[u8]| {
        let end = range.end.min(bytes.len());
        bytes.get(range.start.min(end)..end).is_none_or(|bytes| bytes.iter().all(|byte| *byte == 0))
    };
    part(left) && part(right)
}
