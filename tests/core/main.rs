//! The core against a simulated machine: one module a scenario.

mod campaign;
mod catalog;
