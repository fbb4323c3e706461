//! `refresh`: establish and split in one, for a new point every night.

use super::report::{PairNow, RefreshReport};
use super::split::NO_HOOKS;
use super::{EstablishOptions, Pair, SplitHooks, SplitOptions, check_text};
use crate::engine::Control;
use crate::error::{Error, Result};
use crate::state::{Consistency, Mode, Verb};

/// How to refresh.
#[derive(Debug, Clone, Default)]
pub struct RefreshOptions {
    /// How the mirror is brought up to date.
    pub establish: EstablishOptions,
    /// A name for the new point.
    pub label: Option<String>,
    /// Refuse to give less than this; the mirror is then left synchronized.
    pub require: Option<Consistency>,
}

impl Pair {
    /// Takes the source as it is now: brings the mirror up to date and splits it again.
    pub fn refresh(&self, options: &RefreshOptions, control: &Control) -> Result<RefreshReport> {
        self.refresh_with(options, None, control)
    }

    /// As [`Pair::refresh`], with an application that is told.
    pub fn refresh_with(
        &self,
        options: &RefreshOptions,
        hooks: Option<&dyn SplitHooks>,
        control: &Control,
    ) -> Result<RefreshReport> {
        check_text("label", options.label.as_deref())?;
        let _entered = self.enter(Verb::Refresh, "synchronizing", false)?;
        self.check_reachable(options.require, hooks.is_some())?;
        let establish = self.establish_entered(&options.establish, Verb::Refresh, control)?;
        let split = SplitOptions {
            label: options.label.clone(),
            as_of_last_establish: false,
            require: options.require,
        };
        let split = self.split_entered(&split, hooks.unwrap_or(NO_HOOKS), true)?;
        let catalog = self.leg.catalog();
        Ok(RefreshReport { pair: PairNow::of("refresh", catalog.record()), establish, split })
    }

    /// What can be known to fall short is refused before the old point is given up.
    fn check_reachable(&self, require: Option<Consistency>, told: bool) -> Result<()> {
        let source = self.volume.source()?;
        let shared = self.leg.catalog().record().mode == Mode::Shared;
        let (reached, why) = match require {
            Some(Consistency::Application) if !told => {
                (Consistency::Flushed, "no freeze hook was given")
            }
            Some(_) if shared && !source.tracker().alone() => {
                (Consistency::Fuzzy, "others have the source open, or nobody can tell")
            }
            Some(Consistency::Flushed) if !self.volume.is_flushed() => {
                (Consistency::Crash, "something was written and not flushed")
            }
            _ => return Ok(()),
        };
        Err(Error::Consistency {
            required: require.unwrap_or(reached).name().to_owned(),
            reached: reached.name().to_owned(),
            why: why.to_owned(),
        })
    }
}
