//! The core against a simulated machine: one module a scenario.

mod campaign;
mod catalog;
mod crash;
mod drain;
mod errors;
mod model;
mod recovery;
mod stories;
mod story;
