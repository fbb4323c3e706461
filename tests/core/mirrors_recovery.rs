//! What is checked of all mirrors on a machine found after a power cut: none has changed that was split, none believes
//! more than is true, and from each in turn the source can be restored, or the mirror be established.

use splitmirror::catalog::{Catalog, Record};
use splitmirror::error::Error;
use splitmirror::pair::{EstablishOptions, Pair, RestoreOptions, ResumeOptions};
use splitmirror::sim::{Random, SimHost};
use splitmirror::state::{Mode, State};

use crate::campaign::Verdict;
use crate::mirrors::{Mirrors, catalog_at, mirror_at};
use crate::model::{Promise, difference, source};
use crate::recovery::{bounded, covered, keeps_all, named, open, reached, wrong, wrong_mirror};
use crate::story::{BLOCK, control};

/// What was found of one mirror.
struct Found {
    number: usize,
    record: Record,
    promises: Vec<Promise>,
    /// Its bytes.
    point: Vec<u8>,
}

impl Found {
    fn is_split(&self) -> bool {
        self.record.state == State::Split
    }
}

/// Everything that must hold on the machine found after a power cut at a position of a story.
pub(crate) fn check(
    all: &Mirrors,
    image: &SimHost,
    position: usize,
    random: &mut Random,
) -> Verdict {
    let mut found = Vec::new();
    for (number, facts) in all.facts.iter().enumerate() {
        let record = peek(image, number)?;
        let promises = matching(image, number, record.as_ref(), facts.at(position))
            .map_err(|what| format!("mirror {number}: {what}"))?;
        if let Some(record) = record {
            let point = image.contents(&mirror_at(number)).unwrap_or_default();
            found.push(Found { number, record, promises, point });
        }
    }
    let pending = found.iter().any(|found| found.record.pending.is_some());
    for promise in all.source_facts.at(position).iter().filter(|_| !pending) {
        if let Some(what) = wrong(image, &source(), promise.source.as_deref()) {
            return Err(format!("the source: {what}"));
        }
    }
    recover(image, all.mode, &found, 2, random)
}

fn peek(image: &SimHost, number: usize) -> Result<Option<Record>, String> {
    match Catalog::peek(image, &catalog_at(number)) {
        Ok(record) => Ok(Some(record)),
        Err(Error::CatalogMissing { .. }) => Ok(None),
        Err(error) => Err(format!("the catalog of mirror {number}: {error}")),
    }
}

/// The promises that a mirror fulfils; at least one of them must be.
fn matching(
    image: &SimHost,
    number: usize,
    record: Option<&Record>,
    allowed: &[Promise],
) -> Result<Vec<Promise>, String> {
    let state = record.map(|record| record.state);
    let pending = record.is_some_and(|record| record.pending.is_some());
    let (mut found, mut why) = (Vec::new(), Vec::new());
    for promise in allowed {
        if promise.state != state || promise.goal.is_some() != pending {
            why.push(format!("{state:?} (pending: {pending}) is not {:?}", promise.state));
        } else if let Some(what) = wrong_mirror(image, &mirror_at(number), promise) {
            why.push(format!("{state:?}: {what}"));
        } else {
            found.push(promise.clone());
        }
    }
    if found.is_empty() { Err(why.join("; ")) } else { Ok(found) }
}

fn said<T>(verb: &str, number: usize, result: splitmirror::error::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{verb}() of mirror {number} failed: {error}"))
}

/// Opens all, in any order, and checks what each believes.
fn open_all(
    image: &SimHost,
    mode: Mode,
    cut: bool,
    found: &[Found],
    random: &mut Random,
) -> Result<Vec<Pair>, String> {
    let mut names = Vec::new();
    for one in found {
        let look = mode == Mode::Exclusive && keeps_all(image) && random.chance(1, 3);
        names.push(if look { named(image, &catalog_at(one.number))? } else { None });
    }
    let before = image.contents(&source());
    let pairs: Vec<Pair> = found
        .iter()
        .map(|one| {
            open(image, &mirror_at(one.number)).map_err(|what| format!("{}: {what}", one.number))
        })
        .collect::<Result<_, _>>()?;
    unchanged(image, found.iter().filter(|one| cut || one.is_split()))?;
    if image.contents(&source()) != before {
        return Err("open() changed the source (I6)".into());
    }
    for (pair, (one, names)) in pairs.iter().zip(found.iter().zip(names)) {
        believes(image, cut, mode, pair, one.number)?;
        let Some(names) = names else { continue };
        match bounded(pair, one.record.state, &names) {
            // Its catalog was not told of a session: it failed then, or nobody knew of it.
            Err(what) if ["missed-epoch", "outside-writes"].iter().any(|of| what.ends_with(of)) => {
            }
            bounded => bounded.map_err(|what| format!("mirror {}: {what}", one.number))?,
        }
    }
    Ok(pairs)
}

/// I2 of one mirror; `cut`: right after a power cut, when no bitmap of a shared source is believed.
fn believes(image: &SimHost, cut: bool, mode: Mode, pair: &Pair, number: usize) -> Verdict {
    let mode = if cut { mode } else { Mode::Exclusive };
    covered(image, mode, pair).map_err(|what| format!("mirror {number}: {what}"))
}

fn unchanged<'a>(image: &SimHost, found: impl Iterator<Item = &'a Found>) -> Verdict {
    for one in found {
        if !image.holds_bytes(&mirror_at(one.number), &one.point) {
            return Err(format!("mirror {} was changed (I1)", one.number));
        }
    }
    Ok(())
}

fn equal(image: &SimHost, number: usize) -> Verdict {
    if image.same_bytes(&source(), &mirror_at(number)) {
        return Ok(());
    }
    let sides = (image.contents(&source()), image.contents(&mirror_at(number)));
    let differ = difference(&sides.0.unwrap_or_default(), &sides.1.unwrap_or_default());
    Err(format!("the source and mirror {number} are not equal: {differ}"))
}

/// `deep`: how many power cuts in all.
fn recover(
    image: &SimHost,
    mode: Mode,
    found: &[Found],
    deep: u32,
    random: &mut Random,
) -> Verdict {
    if found.is_empty() {
        return Ok(());
    }
    let pending = found.iter().find(|one| one.record.pending.is_some());
    let written = pending.is_none() && random.chance(1, 4);
    if written {
        write_by_one(image, found, random)?;
    }
    let pairs = open_all(image, mode, !written, found, random)?;
    if let Some(one) = pending
        && let Some((pair, _)) =
            pairs.iter().zip(found).find(|(_, other)| other.number == one.number)
    {
        let receipt = said(
            "resume_restore",
            one.number,
            pair.resume_restore(&ResumeOptions::default(), &control()),
        )?;
        if !receipt.complete {
            return Err("resume_restore() left something out".into());
        }
        reached(image, &one.promises)?;
    }
    let first = random.below(found.len() as u64) as usize;
    for turn in 0..found.len() {
        let index = (first + turn) % found.len();
        each(image, &pairs[index], &found[index])?;
        for (pair, one) in pairs.iter().zip(found) {
            believes(image, false, mode, pair, one.number)?;
        }
        unchanged(image, found.iter().filter(|one| one.is_split()))?;
    }
    if deep > 1 && random.chance(1, 3) {
        drop(pairs);
        return again(image, mode, found, random);
    }
    Ok(())
}

/// The source is restored from a split mirror; another one is established.
fn each(image: &SimHost, pair: &Pair, one: &Found) -> Verdict {
    if one.is_split() {
        said("restore", one.number, pair.restore(&RestoreOptions::default(), &control()))?;
    } else {
        said("establish", one.number, pair.establish(&EstablishOptions::default(), &control()))?;
    }
    equal(image, one.number)
}

/// One of them is opened, and with it those that it knows; then something is written, and all are closed. Whoever was
/// not there must find that.
fn write_by_one(image: &SimHost, found: &[Found], random: &mut Random) -> Verdict {
    let number = found[random.below(found.len() as u64) as usize].number;
    let pair = open(image, &mirror_at(number))?;
    let volume = said("volume", number, pair.volume())?;
    said("write", number, volume.write(&[0xee; 900], 3 * BLOCK as u64 + 50))?;
    let others = found.iter().filter(|one| one.is_split());
    unchanged(image, others)?;
    said("close", number, pair.close())
}

/// A second power cut, during the recovery or after it.
fn again(image: &SimHost, mode: Mode, found: &[Found], random: &mut Random) -> Verdict {
    let end = image.log_len();
    let position = if random.chance(1, 3) { end } else { random.below(end as u64 + 1) as usize };
    let second = image.crash(position, random);
    let context = |what: String| {
        let before = image.describe(position);
        format!("{what}\n  second power cut at {position} of {end}, before: {before}")
    };
    let mut found_then = Vec::new();
    for one in found {
        let record = peek(&second, one.number).map_err(&context)?;
        let record = record.ok_or_else(|| context("a catalog is gone".into()))?;
        if one.is_split() && record.state != State::Split {
            return Err(context(format!("the point of mirror {} is lost", one.number)));
        }
        let point = second.contents(&mirror_at(one.number)).unwrap_or_default();
        if one.is_split() && point != one.point {
            return Err(context(format!("split mirror {} was changed (I1)", one.number)));
        }
        // The one that was pending at first, or another that the recovery began.
        let id = |record: &Record| record.pending.as_ref().map(|pending| pending.id);
        let promises = if record.pending.is_some() && id(&record) != id(&one.record) {
            let goal = std::sync::Arc::new(point.clone());
            vec![Promise::nothing(&goal).with_goal(&goal)]
        } else {
            one.promises.clone()
        };
        found_then.push(Found { number: one.number, record, promises, point });
    }
    recover(&second, mode, &found_then, 1, random).map_err(context)
}
