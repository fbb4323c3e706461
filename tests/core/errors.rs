//! Every call on every file fails once, or from then on for ever: whose error it is (I8), what state is left, and
//! that a second run gets through.

use std::path::PathBuf;
use std::sync::Arc;

use splitmirror::area::Host;
use splitmirror::catalog::Catalog;
use splitmirror::error::Error;
use splitmirror::pair::{
    CreateOptions, EstablishOptions, OpenOptions, Pair, RestoreOptions, ResumeOptions, SplitOptions,
};
use splitmirror::sim::{Calls, Failure, Random, SimHost};
use splitmirror::state::State;
use splitmirror::units::BlockSize;

use crate::campaign::{Verdict, caught, seed};
use crate::model::{catalog, difference, mirror, source};
use crate::story::{BLOCK, SETTINGS, control, first_bytes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Source,
    Mirror,
    Catalog,
}

impl Role {
    fn path(self) -> PathBuf {
        match self {
            Self::Source => source(),
            Self::Mirror => mirror(),
            Self::Catalog => catalog(),
        }
    }
}

/// What one run saw before and after its first error.
#[derive(Default)]
struct Seen {
    /// Errors, with the step that got them.
    errors: Vec<(&'static str, Error)>,
    /// The mirror when split() had returned.
    point: Option<Vec<u8>>,
    /// What the application was told is written and flushed.
    flushed: Option<Vec<u8>>,
}

fn open(host: &SimHost) -> Result<Pair, Error> {
    let shared: Arc<dyn Host> = Arc::new(host.clone());
    let options = OpenOptions { settings: SETTINGS, ..OpenOptions::default() };
    Pair::open(shared, &mirror(), options)
}

fn note<T>(seen: &mut Seen, step: &'static str, result: Result<T, Error>) -> Option<T> {
    result.map_err(|error| seen.errors.push((step, error))).ok()
}

/// The life of a pair, going on after each error as an application would.
fn life(host: &SimHost, random: &mut Random, seen: &mut Seen) {
    let shared: Arc<dyn Host> = Arc::new(host.clone());
    let block_size = BlockSize::new(BLOCK as u64).unwrap();
    let options = CreateOptions { block_size, settings: SETTINGS, ..CreateOptions::default() };
    let Some(pair) = note(seen, "create", Pair::create(shared, &source(), &mirror(), options))
    else {
        return;
    };
    note(seen, "establish", pair.establish(&EstablishOptions::default(), &control()));
    write(&pair, host, random, seen);
    if note(seen, "split", pair.split(&SplitOptions::default())).is_some() {
        seen.point = host.contents(&mirror());
    }
    write(&pair, host, random, seen);
    note(seen, "restore", pair.restore(&RestoreOptions::default(), &control()));
    note(seen, "close", pair.close());
    seen.flushed = None;
}

fn write(pair: &Pair, host: &SimHost, random: &mut Random, seen: &mut Seen) {
    seen.flushed = None;
    for _ in 0..3 {
        let offset = random.below(10 * BLOCK as u64);
        let data = random.bytes(5000);
        let written = pair.volume().and_then(|volume| volume.write(&data, offset));
        note(seen, "write", written);
    }
    if note(seen, "flush", pair.volume().and_then(|volume| volume.flush())).is_some() {
        seen.flushed = host.contents(&source());
    }
}

/// One run with one failure; `None` when the failure was never reached.
fn run(role: Role, calls: Calls, nth: u64, errno: i32, for_ever: bool) -> Option<Verdict> {
    let mut random = Random::new(seed());
    let host = SimHost::new();
    host.put(&source(), &first_bytes(&mut random, 12));
    host.settle();
    host.fail(Failure { path: role.path(), calls, nth, errno, for_ever });
    let mut seen = Seen::default();
    life(&host, &mut random, &mut seen);
    if !host.clear_failures() {
        return None;
    }
    Some(caught(|| judge(&host, role, &seen)).map_err(|what| {
        format!(
            "{what}\n  {calls:?} call {nth} on the {role:?} failed with {errno}, for ever: {for_ever}; errors: {:?}",
            seen.errors.iter().map(|(step, error)| format!("{step}: {error}")).collect::<Vec<_>>()
        )
    }))
}

fn judge(host: &SimHost, role: Role, seen: &Seen) -> Verdict {
    let application = |step: &str| matches!(step, "write" | "flush");
    if role != Role::Source
        && let Some((step, error)) = seen.errors.iter().find(|(step, _)| application(step))
    {
        return Err(format!("the application's {step} failed for the {role:?}: {error} (I8)"));
    }
    if let Some(point) = &seen.point
        && !host.holds_bytes(&mirror(), point)
    {
        return Err("the split mirror was changed (I1)".into());
    }
    if host.writers(&mirror()) > 0 || host.writers(&source()) > 0 {
        return Err("a closed pair left a file open for writing".into());
    }
    // The machine as it is, and the machine after a power cut: both have to get on.
    second_run(&host.kill(host.log_len()), seen)?;
    let mut random = Random::new(seed());
    for _ in 0..4 {
        second_run(&host.crash(host.log_len(), &mut random), seen)
            .map_err(|what| format!("{what} (after a power cut)"))?;
    }
    Ok(())
}

/// Without failures what is left is opened, and the documented ways on are gone.
fn second_run(host: &SimHost, seen: &Seen) -> Verdict {
    let record = match Catalog::peek(host, &catalog()) {
        Ok(record) => record,
        // The pair was never made, and create() said so.
        Err(Error::CatalogMissing { .. } | Error::NotFound { .. })
            if seen.errors.iter().any(|(step, _)| *step == "create") =>
        {
            return Ok(());
        }
        Err(error) => return Err(format!("the catalog: {error}")),
    };
    if record.state == State::Split {
        let found = host.contents(&mirror()).unwrap_or_default();
        if let Some(point) = &seen.point
            && found != *point
        {
            return Err(format!("the point: {} (I1)", difference(&found, point)));
        }
    } else if seen.point.is_some() {
        return Err(format!("split() had returned, and the state is {:?} (I4)", record.state));
    }
    let pair = open(host).map_err(|error| format!("open() failed: {error}"))?;
    let failed = |verb: &str| {
        let verb = verb.to_owned();
        move |error: Error| format!("{verb}() failed in the second run: {error}")
    };
    if record.pending.is_some() {
        let options = ResumeOptions::default();
        pair.resume_restore(&options, &control()).map_err(failed("resume_restore"))?;
    }
    if record.state == State::Split {
        pair.restore(&RestoreOptions::default(), &control()).map_err(failed("restore"))?;
    } else {
        // A suspect source was read again by the caller, or is accepted as it is.
        let accept = vec!["source-suspect".to_owned()];
        let options = EstablishOptions { accept, ..EstablishOptions::default() };
        pair.establish(&options, &control()).map_err(failed("establish"))?;
    }
    if host.same_bytes(&source(), &mirror()) {
        return Ok(());
    }
    let (left, right) = (host.contents(&source()), host.contents(&mirror()));
    Err(format!(
        "the sides are not equal after the second run: {}",
        difference(&left.unwrap_or_default(), &right.unwrap_or_default())
    ))
}

fn sweep(role: Role) {
    let (mut runs, mut problems) = (0, Vec::new());
    for (errno, for_ever) in
        [(libc::EIO, false), (libc::EIO, true), (libc::ENOSPC, false), (libc::ENOSPC, true)]
    {
        for calls in [Calls::Any, Calls::Changes, Calls::Syncs] {
            for nth in 1.. {
                let Some(verdict) = run(role, calls, nth, errno, for_ever) else { break };
                runs += 1;
                problems.extend(verdict.err());
            }
        }
    }
    problems.iter().take(12).for_each(|problem| println!("VIOLATION {problem}"));
    println!("errors on the {role:?}: {runs} runs, {} violations", problems.len());
    assert!(problems.is_empty() && runs > 50, "{} of {runs} runs failed", problems.len());
}

#[test]
fn i8_errors_of_the_source_are_the_callers() {
    sweep(Role::Source);
}

#[test]
fn i8_errors_of_the_mirror_never_fail_a_write() {
    sweep(Role::Mirror);
}

#[test]
fn i8_errors_of_the_catalog_never_fail_a_write() {
    sweep(Role::Catalog);
}
