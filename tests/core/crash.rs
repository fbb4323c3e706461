//! Power cuts at every moment of every story, and each ordering rule left out in turn.

use splitmirror::area::Order;
use splitmirror::sim::{Random, SimHost};
use splitmirror::state::Mode;

use crate::campaign::{Figures, campaign, samples, seed};
use crate::recovery::check;
use crate::stories::{EXCLUSIVE, SHARED, Tale};
use crate::story::Story;

/// Blocks of the source; a bit more than that, so that the last block is not whole.
const BLOCKS: usize = 24;

fn run(tale: &Tale, mode: Mode, rule: Option<Order>, samples: u64) -> Figures {
    let (name, tell) = tale;
    let mut story = Story::new(mode, BLOCKS, rule, seed());
    if let Err(what) = tell(&mut story) {
        let violation = Some(format!("{name}, {}: {what}", mode.name()));
        return Figures { violation, ..Figures::default() };
    }
    let check = |image: &SimHost, position: usize, random: &mut Random| {
        check(&story, image, position, random)
            .map_err(|what| format!("{name}, {}: {what}", mode.name()))
    };
    campaign(&story.host, 0..story.host.log_len(), samples, &check)
}

fn all(tales: &[Tale], mode: Mode) {
    let mut figures = Figures::default();
    let mut problems = Vec::new();
    for tale in tales {
        let one = run(tale, mode, None, samples());
        println!("  {} ({}): {} points, {} images", tale.0, mode.name(), one.points, one.images);
        problems.extend(one.violation.clone());
        figures.add(one);
    }
    problems.iter().for_each(|problem| println!("VIOLATION {problem}"));
    figures.assert_clean(mode.name());
}

#[test]
fn i1_to_i6_shared_first_half() {
    all(&SHARED[..SHARED.len() / 2], Mode::Shared);
}

#[test]
fn i1_to_i6_shared_second_half() {
    all(&SHARED[SHARED.len() / 2..], Mode::Shared);
}

#[test]
fn i1_to_i6_exclusive_first_half() {
    all(&EXCLUSIVE[..EXCLUSIVE.len() / 2], Mode::Exclusive);
}

#[test]
fn i1_to_i6_exclusive_second_half() {
    all(&EXCLUSIVE[EXCLUSIVE.len() / 2..], Mode::Exclusive);
}

/// Every story in both modes until one finds what the missing rule breaks.
fn found_without(rule: Order) -> Figures {
    let mut figures = Figures::default();
    for (tales, mode) in [(EXCLUSIVE, Mode::Exclusive), (SHARED, Mode::Shared)] {
        for tale in tales {
            figures.add(run(tale, mode, Some(rule), samples() / 4 + 1));
            if figures.violation.is_some() {
                return figures;
            }
        }
    }
    figures
}

#[test]
fn each_ordering_rule_is_needed() {
    let mut unnoticed = Vec::new();
    for rule in Order::ALL {
        let figures = found_without(rule);
        match &figures.violation {
            Some(violation) => {
                let what = violation.lines().next().unwrap_or_default();
                println!("{rule:?} left out: found after {} images: {what}", figures.images);
            }
            None => unnoticed.push(rule),
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?} can be left out unnoticed");
}
