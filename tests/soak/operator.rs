//! The operator's threads: verbs on random mirrors.
//!
//! Verbs that make, use or give up a point hold what is known of the mirror (`Standing`), so that it is known which
//! point a restore brings back; the others run beside them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use splitmirror::engine::Control;
use splitmirror::error::{Error, Result};
use splitmirror::pair::{
    EstablishOptions, Receipt, RefreshOptions, RestoreJob, RestoreOptions, ResumeOptions,
    SplitOptions,
};
use splitmirror::sim::Random;
use splitmirror::state::{Condition, State};

use crate::Counts;
use crate::cells::{cell_at, versions_in};
use crate::model::{Point, Span};
use crate::scene::{Mirror, Outcome, Scene, Standing};

/// What a thread does until the round ends.
pub(crate) fn work(scene: &Scene, thread: usize, mut random: Random) -> Counts {
    let mut counts = Counts::new();
    while !scene.stop.load(Ordering::Acquire) {
        let mirror = &scene.mirrors[random.below(scene.mirrors.len() as u64) as usize];
        let (verb, run) = VERBS[random.below(VERBS.len() as u64) as usize];
        scene.watchdog.tell(thread, format!("{verb} {}", mirror.path.display()));
        let what = match run(scene, mirror, &mut random) {
            Ok(what) => what,
            Err(problem) => {
                scene.fail(format!("{verb} {}: {problem}", mirror.path.display()));
                ""
            }
        };
        if !what.is_empty() {
            *counts.entry(what).or_default() += 1;
        }
        std::thread::sleep(Duration::from_micros(random.below(4000)));
    }
    scene.watchdog.tell(thread, "");
    counts
}

type Run = fn(&Scene, &Mirror, &mut Random) -> Outcome<&'static str>;

/// Those that are refused most of the time, or make others possible, are there several times.
const VERBS: [(&str, Run); 26] = [
    ("establish", establish),
    ("establish", establish),
    ("establish", establish),
    ("split", split),
    ("split", split),
    ("split", split),
    ("refresh", refresh),
    ("restore", restore),
    ("restore", restore),
    ("start_restore", start_restore),
    ("start_restore", start_restore),
    ("restart", restart),
    ("restart", restart),
    ("start_resume", start_resume),
    ("start_resume", start_resume),
    ("start_resume", start_resume),
    ("pause", pause),
    ("wait", wait),
    ("wait", wait),
    ("set_rate", set_rate),
    ("heal", heal),
    ("heal", heal),
    ("seal", seal),
    ("scrub", scrub),
    ("verify", verify),
    ("status", status),
];

/// A refusal is not an error: the state has changed since, or another verb runs.
fn refused<T>(result: Result<T>) -> Outcome<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::State { .. }) => Ok(None),
        Err(Error::Protected { conditions, .. }) if conditions == ["restore-pending"] => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn unless_refused<T>(result: Result<T>, what: &'static str) -> Outcome<&'static str> {
    Ok(if refused(result)?.is_some() { what } else { "refused" })
}

/// Bytes a second: as fast as it goes, or slow enough to be met in the middle.
fn rate(random: &mut Random) -> u64 {
    [0, 1 << 20, 4 << 20, 16 << 20, 64 << 20][random.below(5) as usize]
}

/// The point is given up, if the verb is not refused.
fn establish(_: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    let mut standing = mirror.standing.lock().unwrap();
    mirror.check_point(&standing)?;
    let result = mirror.pair.establish(&EstablishOptions::default(), &Control::default());
    if refused(result)?.is_none() {
        return Ok("refused");
    }
    mirror.give_up(&mut standing);
    Ok("establish")
}

fn take_point(
    scene: &Scene,
    mirror: &Mirror,
    standing: &mut Standing,
    length: u64,
    seen: Span,
) -> Outcome<()> {
    let bytes = mirror.bytes()?;
    if bytes.len() as u64 != length {
        return Err(format!("the report says {length} bytes, the mirror has {}", bytes.len()));
    }
    let versions = versions_in(&bytes)?;
    scene.model.check_instant(&versions, seen)?;
    scene.model.check_length(length, seen)?;
    mirror.give_up(standing);
    standing.point = Some(Arc::new(Point { bytes, versions }));
    Ok(())
}

fn split(scene: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    let mut standing = mirror.standing.lock().unwrap();
    let call = scene.model.now();
    let result = mirror.pair.split(&SplitOptions::default());
    let seen = Span { call, ret: scene.model.now() };
    let Some(report) = refused(result)? else { return Ok("refused") };
    take_point(scene, mirror, &mut standing, report.length, seen)?;
    Ok("split")
}

fn refresh(scene: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    let mut standing = mirror.standing.lock().unwrap();
    mirror.check_point(&standing)?;
    let call = scene.model.now();
    let result = mirror.pair.refresh(&RefreshOptions::default(), &Control::default());
    let seen = Span { call, ret: scene.model.now() };
    let Some(report) = refused(result)? else {
        // It may have been refused in the middle: by a restore from another mirror.
        if mirror.state() != State::Split.name() {
            mirror.give_up(&mut standing);
        }
        return Ok("refused");
    };
    take_point(scene, mirror, &mut standing, report.split.length, seen)?;
    Ok("refresh")
}

fn started(scene: &Scene, mirror: &Mirror, options: &RestoreOptions, rate: u64) -> Outcome<bool> {
    let mut standing = mirror.standing.lock().unwrap();
    let Some(point) = standing.point.clone() else { return Ok(false) };
    mirror.check_point(&standing)?;
    let name = scene.model.begin_restore(point, None);
    let result = mirror.pair.start_restore(options, rate);
    scene.model.end_restore(name, result.is_ok());
    let Some(job) = refused(result)? else { return Ok(false) };
    standing.receipt = None;
    *mirror.job.lock().unwrap() = Some(job);
    Ok(true)
}

fn start_restore(scene: &Scene, mirror: &Mirror, random: &mut Random) -> Outcome<&'static str> {
    let done = started(scene, mirror, &RestoreOptions::default(), rate(random))?;
    Ok(if done { "start_restore" } else { "refused" })
}

fn restart(scene: &Scene, mirror: &Mirror, random: &mut Random) -> Outcome<&'static str> {
    if !mirror.is_pending() {
        return Ok("");
    }
    let options = RestoreOptions { restart: true, ..RestoreOptions::default() };
    let done = started(scene, mirror, &options, rate(random))?;
    Ok(if done { "start_restore, restart" } else { "refused" })
}

fn restore(scene: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    let mut standing = mirror.standing.lock().unwrap();
    let Some(point) = standing.point.clone() else { return Ok("refused") };
    let name = scene.model.begin_restore(point, None);
    let result = mirror.pair.restore(&RestoreOptions::default(), &Control::default());
    scene.model.end_restore(name, result.is_ok());
    let Some(receipt) = refused(result)? else { return Ok("refused") };
    *mirror.job.lock().unwrap() = None;
    ended(mirror, &mut standing, receipt)?;
    Ok("restore")
}

/// A restore has ended: its receipt is what can be healed by.
fn ended(mirror: &Mirror, standing: &mut Standing, receipt: Receipt) -> Outcome<()> {
    mirror.check_point(standing)?;
    if !receipt.complete || !receipt.mirror_unchanged {
        return Err(format!("a receipt that is not as it should be: {receipt:?}"));
    }
    standing.receipt = Some(receipt);
    Ok(())
}

fn start_resume(_: &Scene, mirror: &Mirror, random: &mut Random) -> Outcome<&'static str> {
    let _standing = mirror.standing.lock().unwrap();
    let result = mirror.pair.start_resume(&ResumeOptions::default(), rate(random));
    let Some(job) = refused(result)? else { return Ok("refused") };
    *mirror.job.lock().unwrap() = Some(job);
    Ok("start_resume")
}

fn job_of(mirror: &Mirror) -> Option<Arc<RestoreJob>> {
    mirror.job.lock().unwrap().clone()
}

fn pause(_: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    let Some(job) = job_of(mirror).filter(|job| job.is_running()) else { return Ok("") };
    job.pause();
    match job.result() {
        Some(Ok(_)) => Ok(""),
        Some(Err(Error::Cancelled { .. })) => Ok("pause"),
        other => Err(format!("a paused job: {other:?}")),
    }
}

fn wait(_: &Scene, mirror: &Mirror, random: &mut Random) -> Outcome<&'static str> {
    let Some(job) = job_of(mirror) else { return Ok("") };
    let result = job.wait(Duration::from_millis(random.below(100)));
    mirror.take_receipt().map(|()| if result.is_some() { "wait" } else { "" })
}

fn set_rate(_: &Scene, mirror: &Mirror, random: &mut Random) -> Outcome<&'static str> {
    let Some(job) = job_of(mirror).filter(|job| job.is_running()) else { return Ok("") };
    job.set_rate(rate(random));
    let (_, done, total) = job.progress();
    if done > total { Err(format!("{done} of {total} bytes")) } else { Ok("set_rate") }
}

fn heal(scene: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    mirror.take_receipt()?;
    let mut standing = mirror.standing.lock().unwrap();
    let (Some(point), Some(receipt)) = (standing.point.clone(), standing.receipt.clone()) else {
        return Ok("");
    };
    let written = receipt.provenance.iter().filter(|run| run.origin == "app-written");
    let certain = written.map(|run| cell_at(run.offset)..cell_at(run.offset + run.length));
    let name = scene.model.begin_restore(point, Some(certain.collect()));
    let id = receipt.restore_id.clone().unwrap_or_default();
    let result = mirror.pair.heal(&id, &ResumeOptions::default(), &Control::default());
    scene.model.end_restore(name, result.is_ok());
    let Some(receipt) = refused(result)? else { return Ok("refused") };
    ended(mirror, &mut standing, receipt)?;
    Ok("heal")
}

fn seal(_: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    unless_refused(mirror.pair.seal(&[], &Control::default()), "seal")
}

fn scrub(_: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    match mirror.pair.scrub(&Control::default()) {
        Err(Error::NotSealed) => Ok("refused"),
        Ok(report) if !report.intact => Err(format!("the seal is broken: {:?}", report.bad)),
        result => unless_refused(result, "scrub"),
    }
}

/// Rule 7 under load, where no restore can have come between.
fn verify(scene: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    let restores = scene.model.restores();
    let result = mirror.pair.verify(false, &Control::default());
    let Some(report) = refused(result)? else { return Ok("refused") };
    let undisturbed = restores.is_some() && restores == scene.model.restores();
    if report.pair.state != State::Synchronized.name() || !undisturbed {
        return Ok("verify");
    }
    if !report.matches {
        return Err(format!("synchronized and not equal: {report:?}"));
    }
    Ok("verify synchronized")
}

fn status(_: &Scene, mirror: &Mirror, _: &mut Random) -> Outcome<&'static str> {
    let status = mirror.pair.status().map_err(|error| error.to_string())?;
    let bad = [
        Condition::MirrorFailed,
        Condition::MirrorSkewed,
        Condition::SourceSuspect,
        Condition::SourceReplaced,
        Condition::OutsideWrites,
    ];
    let named = |condition: &Condition| status.pair.conditions.contains(&condition.name());
    match bad.iter().find(|condition| named(condition)) {
        Some(condition) => Err(format!("{} without a reason", condition.name())),
        None => Ok("status"),
    }
}

/// Brings a restore that has not ended to its end, with all threads gone.
pub(crate) fn finish(mirror: &Mirror) -> Outcome<()> {
    if let Some(job) = job_of(mirror) {
        job.set_rate(0);
        if job.wait(Duration::from_secs(60)).is_none() {
            return Err("a job does not end".into());
        }
        mirror.take_receipt()?;
    }
    if mirror.is_pending() {
        let mut standing = mirror.standing.lock().unwrap();
        let result = mirror.pair.resume_restore(&ResumeOptions::default(), &Control::default());
        ended(mirror, &mut standing, result.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

impl Mirror {
    /// The point is gone, and with it what was restored from it.
    pub(crate) fn give_up(&self, standing: &mut Standing) {
        *standing = Standing::default();
        *self.job.lock().unwrap() = None;
    }

    /// Takes the receipt of a job that has ended.
    pub(crate) fn take_receipt(&self) -> Outcome<()> {
        let mut standing = self.standing.lock().unwrap();
        let mut job = self.job.lock().unwrap();
        match job.as_ref().and_then(|job| job.result()) {
            Some(Ok(receipt)) => {
                *job = None;
                ended(self, &mut standing, receipt)
            }
            None | Some(Err(Error::Cancelled { .. })) => Ok(()),
            Some(Err(error)) => Err(format!("a job ended with {error}")),
        }
    }
}
