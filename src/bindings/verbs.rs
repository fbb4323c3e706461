//! The verbs of `_core.Pair`: each detaches, runs, and returns its report as JSON text.

use pyo3::prelude::*;

use super::arguments::{Iterable, PathArgument, consistency, names, ranges};
use super::functions::json;
use super::pair::Pair;
use super::run::{Callback, Caller, Hooks, Token, run, run_calling};
use super::tokens::Plan;
use crate::engine::Control;
use crate::pair::{EstablishOptions, RefreshOptions, SplitHooks, SplitOptions};

#[pymethods]
impl Pair {
    /// Start or resume mirroring: source to mirror.
    #[pyo3(signature = (*, plan=None, force=false, accept=None, progress=None, cancel=None))]
    fn establish(
        &self,
        py: Python<'_>,
        plan: Option<Py<Plan>>,
        force: bool,
        accept: Iterable<'_>,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let plan = plan.map(|plan| plan.get().0.clone());
        let options = EstablishOptions { plan, force, accept: names(&accept)? };
        json(&run(py, progress, cancel, |control| self.0.establish(&options, control))?)
    }

    /// Make the mirror a point-in-time copy.
    #[pyo3(signature = (*, label=None, as_of_last_establish=false, require=None, freeze=None, thaw=None))]
    fn split(
        &self,
        py: Python<'_>,
        label: Option<String>,
        as_of_last_establish: bool,
        require: Option<&str>,
        freeze: Callback,
        thaw: Callback,
    ) -> PyResult<String> {
        let options = SplitOptions { label, as_of_last_establish, require: consistency(require)? };
        let split = |_: &Control, caller: &Caller| {
            self.0.split_with(&options, &Hooks { caller, freeze, thaw })
        };
        json(&run_calling(py, None, None, split)?)
    }

    /// Establish and split in one.
    #[pyo3(signature = (*, label=None, force=false, accept=None, require=None, freeze=None, thaw=None, progress=None,
        cancel=None))]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python signature")]
    fn refresh(
        &self,
        py: Python<'_>,
        label: Option<String>,
        force: bool,
        accept: Iterable<'_>,
        require: Option<&str>,
        freeze: Callback,
        thaw: Callback,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let establish = EstablishOptions { plan: None, force, accept: names(&accept)? };
        let options = RefreshOptions { establish, label, require: consistency(require)? };
        let told = freeze.is_some();
        let refresh = |control: &Control, caller: &Caller| {
            let hooks = Hooks { caller, freeze, thaw };
            self.0.refresh_with(&options, told.then_some(&hooks as &dyn SplitHooks), control)
        };
        json(&run_calling(py, progress, cancel, refresh)?)
    }

    /// Compare both sides.
    #[pyo3(signature = (*, from_medium=false, progress=None, cancel=None))]
    fn verify(
        &self,
        py: Python<'_>,
        from_medium: bool,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        json(&run(py, progress, cancel, |control| self.0.verify(from_medium, control))?)
    }

    /// Digest every block of the split mirror.
    #[pyo3(signature = (*, accept=None, progress=None, cancel=None))]
    fn seal(
        &self,
        py: Python<'_>,
        accept: Iterable<'_>,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let accept = names(&accept)?;
        json(&run(py, progress, cancel, |control| self.0.seal(&accept, control))?)
    }

    /// Compare the split mirror with its seal.
    #[pyo3(signature = (*, progress=None, cancel=None))]
    fn scrub(&self, py: Python<'_>, progress: Callback, cancel: Token) -> PyResult<String> {
        json(&run(py, progress, cancel, |control| self.0.scrub(control))?)
    }

    /// What establish() would do now.
    #[pyo3(signature = (*, force=false))]
    fn plan_establish(&self, py: Python<'_>, force: bool) -> PyResult<Plan> {
        Ok(Plan(py.detach(|| self.0.plan_establish(force))?))
    }

    /// What restore() would do now.
    #[pyo3(signature = (*, full=false, ranges=None))]
    fn plan_restore(&self, py: Python<'_>, full: bool, ranges: Iterable<'_>) -> PyResult<Plan> {
        let ranges = self::ranges(&ranges)?;
        Ok(Plan(py.detach(|| self.0.plan_restore(full, ranges.as_deref()))?))
    }

    /// Rebuild this mirror from another, split one of the same source.
    #[pyo3(signature = (from_mirror, *, accept=None, progress=None, cancel=None))]
    fn repair(
        &self,
        py: Python<'_>,
        from_mirror: PathArgument,
        accept: Iterable<'_>,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let accept = names(&accept)?;
        json(&run(py, progress, cancel, |control| self.0.repair(&from_mirror.0, &accept, control))?)
    }

    /// Put the split mirror on hold.
    #[pyo3(signature = (reason=None))]
    fn hold(&self, py: Python<'_>, reason: Option<&str>) -> PyResult<String> {
        json(&py.detach(|| self.0.hold(reason))?)
    }

    /// Take the hold away.
    fn release(&self, py: Python<'_>) -> PyResult<String> {
        json(&py.detach(|| self.0.release())?)
    }

    /// End the pair; both files stay.
    fn detach(&self, py: Python<'_>) -> PyResult<String> {
        json(&py.detach(|| self.0.detach())?)
    }

    /// State, conditions, and what a plan made now would say.
    fn status(&self, py: Python<'_>) -> PyResult<String> {
        json(&py.detach(|| self.0.status())?)
    }

    /// All events, oldest first, as a JSON list.
    fn history(&self, py: Python<'_>) -> PyResult<String> {
        json(&py.detach(|| self.0.history())?)
    }
}
