//! The verbs of `_core.Pair` that bring the source back.

use pyo3::prelude::*;

use super::arguments::{Iterable, PathArgument, names, ranges};
use super::functions::json;
use super::job::RestoreJob;
use super::pair::Pair;
use super::run::{Callback, Token, run};
use super::tokens::Plan;
use crate::pair::{RestoreOptions, ResumeOptions};

#[pymethods]
impl Pair {
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

    /// Begin a restore that copies in the background; it has taken effect, durably, when this returns.
    #[pyo3(signature = (*, plan=None, full=false, ranges=None, restart=false, ignore_sidecars=false, accept=None, rate=0))]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python signature")]
    fn start_restore(
        &self,
        py: Python<'_>,
        plan: Option<Py<Plan>>,
        full: bool,
        ranges: Iterable<'_>,
        restart: bool,
        ignore_sidecars: bool,
        accept: Iterable<'_>,
        rate: u64,
    ) -> PyResult<RestoreJob> {
        let options = RestoreOptions {
            plan: plan.map(|plan| plan.get().0.clone()),
            full,
            ranges: self::ranges(&ranges)?,
            restart,
            ignore_sidecars,
            accept: names(&accept)?,
            ..RestoreOptions::default()
        };
        Ok(RestoreJob(run(py, None, None, |_| self.0.start_restore(&options, rate))?))
    }

    /// Go on with an interrupted restore in the background.
    #[pyo3(signature = (*, ignore_sidecars=false, accept=None, rate=0))]
    fn start_resume(
        &self,
        py: Python<'_>,
        ignore_sidecars: bool,
        accept: Iterable<'_>,
        rate: u64,
    ) -> PyResult<RestoreJob> {
        let options =
            ResumeOptions { while_in_use: false, ignore_sidecars, accept: names(&accept)? };
        Ok(RestoreJob(run(py, None, None, |_| self.0.start_resume(&options, rate))?))
    }

    /// The restore that copies in the background, if one does.
    fn restore_job(&self) -> Option<RestoreJob> {
        self.0.restore_job().map(RestoreJob)
    }

    /// Restore what the application wrote during an earlier restore.
    #[pyo3(signature = (restore_id, *, while_in_use=false, ignore_sidecars=false, accept=None, progress=None, cancel=None))]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python signature")]
    fn heal(
        &self,
        py: Python<'_>,
        restore_id: &str,
        while_in_use: bool,
        ignore_sidecars: bool,
        accept: Iterable<'_>,
        progress: Callback,
        cancel: Token,
    ) -> PyResult<String> {
        let options = ResumeOptions { while_in_use, ignore_sidecars, accept: names(&accept)? };
        json(&run(py, progress, cancel, |control| self.0.heal(restore_id, &options, control))?)
    }
}
