//! Runs a check on many machines found after power cuts, and says how to see a failure again.
//!
//! `SPLITMIRROR_CRASH_SAMPLES` (default 1000) images, and fewer where a check is dear ([`samples_over`]), are made at
//! each crash point from `SPLITMIRROR_CRASH_SEED`; a failure prints the seed, the position in the log and the sample, and
//! the same seed finds it again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use splitmirror::area::Order;
use splitmirror::sim::{Damage, Random, SimHost, Survival};

/// What a check says: nothing, or what does not hold.
pub(crate) type Verdict = Result<(), String>;

/// Images a crash point.
pub(crate) fn samples() -> u64 {
    number("SPLITMIRROR_CRASH_SAMPLES").unwrap_or(1000)
}

/// Images a crash point where a check costs so many times more than that of a single mirror in mode `shared`.
pub(crate) fn samples_over(cost: u64) -> u64 {
    (samples() / cost).clamp(10.min(samples()), samples())
}

/// Where all randomness comes from.
pub(crate) fn seed() -> u64 {
    number("SPLITMIRROR_CRASH_SEED").unwrap_or(0x0005_eed0_f5e7)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What a campaign did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) points: u64,
    /// Sampled.
    pub(crate) images: u64,
    /// Of them different ones, which were checked.
    pub(crate) checked: u64,
    pub(crate) violation: Option<String>,
}

impl Figures {
    /// Adds another campaign; the first violation stays.
    pub(crate) fn add(&mut self, other: Self) {
        self.points += other.points;
        self.images += other.images;
        self.checked += other.checked;
        self.violation = self.violation.take().or(other.violation);
    }

    /// Prints the figures and fails the test when something did not hold.
    pub(crate) fn assert_clean(&self, name: &str) {
        println!(
            "{name}: {} crash points, {} images ({} different)",
            self.points, self.images, self.checked
        );
        if let Some(violation) = &self.violation {
            panic!("{name}: after {} images: {violation}", self.images);
        }
        println!("{name}: 0 violations");
        assert!(self.images > 0, "nothing was tried");
    }
}

/// Prints the figures of each story; fails the test when something did not hold in any of them.
pub(crate) fn assert_all_clean(
    name: &str,
    stories: impl IntoIterator<Item = (&'static str, Figures)>,
) {
    let mut figures = Figures::default();
    for (story, one) in stories {
        println!("  {story} ({name}): {} points, {} images", one.points, one.images);
        if let Some(violation) = &one.violation {
            println!("VIOLATION {violation}");
        }
        figures.add(one);
    }
    figures.assert_clean(name);
}

/// Fails the test when a rule can be left out and `without` finds nothing; a rule that it has no figures of is another
/// test's.
pub(crate) fn assert_each_needed(rules: &[Order], without: impl Fn(Order) -> Option<Figures>) {
    let mut unnoticed = Vec::new();
    for rule in rules {
        let Some(figures) = without(*rule) else { continue };
        let (points, images) = (figures.points, figures.images);
        match &figures.violation {
            Some(violation) => {
                let what = violation.lines().next().unwrap_or_default();
                println!("{rule:?} left out: found after {points} points, {images} images: {what}");
            }
            None => unnoticed.push(format!("{rule:?} ({images} images)")),
        }
    }
    assert!(unnoticed.is_empty(), "can be left out unnoticed: {unnoticed:?}");
}

/// Numbers of one image, the same for the same seed, whatever was tried before.
fn random_of(position: usize, sample: u64) -> Random {
    Random::new(seed() ^ ((position as u64) << 32) ^ sample.wrapping_mul(0x9e37_79b9))
}

fn fingerprint(survival: &Survival) -> u64 {
    let mut hasher = DefaultHasher::new();
    survival.hash(&mut hasher);
    hasher.finish()
}

/// Runs a check; a panic in it is a violation too.
pub(crate) fn caught(check: impl FnOnce() -> Verdict) -> Verdict {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Cuts the power at the crash points of a part of the log, `samples` times each, and checks what is found.
/// Ends with the first violation.
pub(crate) fn campaign(
    host: &SimHost,
    positions: Range<usize>,
    samples: u64,
    check: &dyn Fn(&SimHost, usize, &mut Random) -> Verdict,
) -> Figures {
    let mut figures = Figures::default();
    for position in host.crash_points(positions, 3) {
        let point = host.crash_point(position);
        figures.points += 1;
        // Without anything pending all images are alike, up to the times.
        let samples = if point.pending() == 0 { samples.min(4) } else { samples };
        // Few pending operations survive in few ways; what was checked once is not checked again.
        let mut seen = HashSet::new();
        for sample in 0..samples {
            let mut random = random_of(position, sample);
            let survival = point.survival(&mut random, Damage::default());
            figures.images += 1;
            if !seen.insert(fingerprint(&survival)) {
                continue;
            }
            figures.checked += 1;
            let image = point.image_of(&survival);
            if let Err(what) = caught(|| check(&image, position, &mut random)) {
                figures.violation = Some(format!(
                    "{what}\n  power cut at position {position} (sample {sample}), before: {}\n  \
                     again: SPLITMIRROR_CRASH_SEED={} SPLITMIRROR_CRASH_SAMPLES={}",
                    host.describe(position),
                    seed(),
                    self::samples(),
                ));
                return figures;
            }
        }
    }
    figures
}
