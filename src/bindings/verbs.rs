//! The verbs of `_core.Pair`: each detaches, runs, and returns its report as JSON text.

use pyo3::prelude::*;

use super::arguments::{PathArgument, consistency, names, ranges};
use super::functions::json;
use super::pair::Pair;
use super::run::run;
use super::tokens::{CancelToken, Plan};
use crate::pair::{EstablishOptions, RefreshOptions, RestoreOptions, ResumeOptions, SplitOptions};

type Callback = Option<Py<PyAny>>;
type Token = Option<Py<CancelToken>>;
type Iterable<'py> = Option<Bound<'py, PyAny>>;

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
    #[pyo3(signature = (*, label=None, as_of_last_establish=false, require=None))]
    fn split(
        &self,
        py: Python<'_>,
        label: Option<String>,
        as_of_last_establish: bool,
        require: Option<&str>,
    ) -> PyResult<String> {
        let options = SplitOptions { label, as_of_last_establish, require: consistency(require)? };
        json(&py.detach(|| self.0.split(&options))?)
    }

    /// Establish and split in one.
    #[pyo3(signature = (*, label=None, force=false, accept=None, require=None, progress=None, cancel=None))]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python signature")]
    fn refresh(
        &self,
        py: Python<'_>,
        label: Option<String>,
        force: bool,
        accept: Iterable<'_>,
        require: Option<&str>,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let establish = EstablishOptions { plan: None, force, accept: names(&accept)? };
        let options = RefreshOptions { establish, label, require: consistency(require)? };
        json(&run(py, progress, cancel, |control| self.0.refresh(&options, control))?)
    }

    /// Bring the source back to the mirror's point in time; the mirror stays split.
    #[pyo3(signature = (*, plan=None, full=false, ranges=None, to=None, overwrite=false, restart=false,
        while_in_use=false, ignore_sidecars=false, accept=None, progress=None, cancel=None))]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python signature")]
    fn restore(
        &self,
        py: Python<'_>,
        plan: Option<Py<Plan>>,
        full: bool,
        ranges: Iterable<'_>,
        to: Option<PathArgument>,
        overwrite: bool,
        restart: bool,
        while_in_use: bool,
        ignore_sidecars: bool,
        accept: Iterable<'_>,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let options = RestoreOptions {
            plan: plan.map(|plan| plan.get().0.clone()),
            full,
            ranges: self::ranges(&ranges)?,
            to: to.map(|path| path.0),
            overwrite,
            restart,
            while_in_use,
            ignore_sidecars,
            accept: names(&accept)?,
        };
        json(&run(py, progress, cancel, |control| self.0.restore(&options, control))?)
    }

    /// Go on with a restore that was interrupted.
    #[pyo3(signature = (*, while_in_use=false, ignore_sidecars=false, accept=None, progress=None, cancel=None))]
    fn resume_restore(
        &self,
        py: Python<'_>,
        while_in_use: bool,
        ignore_sidecars: bool,
        accept: Iterable<'_>,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let options = ResumeOptions { while_in_use, ignore_sidecars, accept: names(&accept)? };
        json(&run(py, progress, cancel, |control| self.0.resume_restore(&options, control))?)
    }

    /// Leave a source partly restored.
    fn abandon_restore(&self, py: Python<'_>) -> PyResult<String> {
        json(&py.detach(|| self.0.abandon_restore())?)
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
