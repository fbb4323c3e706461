//! The core against a simulated machine: one module a scenario.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is test code"
)]

mod campaign;
mod catalog;
mod crash;
mod drain;
mod errors;
mod hostile;
mod intents;
mod intents_damage;
mod maps;
mod mirrors;
mod mirrors_recovery;
mod mirrors_stories;
mod model;
mod recovery;
mod stories;
mod story;
mod story_arrays;
mod story_jobs;
mod story_races;
mod story_restores;
mod told;
