//! The verb table: which verb is legal in which state, and what protects a pair from one.
//!
//! | verb | initialized | unsynchronized | synchronized | split |
//! |---|---|---|---|---|
//! | establish, refresh | first | resumes | catches up | discards the point |
//! | split | no | no | yes | no |
//! | restore, seal, scrub, hold, release, reading the mirror | no | no | no | yes |
//! | resume_restore, abandon_restore | no | no | no | with `restore-pending` |
//! | verify, plan_restore | no | yes | yes | yes (`plan_restore`: split only) |
//! | repair | yes | yes | yes | discards the point |
//! | array | yes | yes | yes | not with `restore-pending` |
//! | detach | yes | yes | yes | not with `restore-pending` or a hold |

use super::{Condition, Conditions, State};

/// What a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the verbs of the public API, documented there")]
pub enum Verb {
    Establish,
    Split,
    Refresh,
    Restore,
    ResumeRestore,
    AbandonRestore,
    Verify,
    Seal,
    Scrub,
    PlanEstablish,
    PlanRestore,
    Hold,
    Release,
    Detach,
    OpenMirror,
    Repair,
    Array,
}

impl Verb {
    const ALL: [Self; 17] = [
        Self::Establish,
        Self::Split,
        Self::Refresh,
        Self::Restore,
        Self::ResumeRestore,
        Self::AbandonRestore,
        Self::Verify,
        Self::Seal,
        Self::Scrub,
        Self::PlanEstablish,
        Self::PlanRestore,
        Self::Hold,
        Self::Release,
        Self::Detach,
        Self::OpenMirror,
        Self::Repair,
        Self::Array,
    ];

    /// The name of the method.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Establish => "establish",
            Self::Split => "split",
            Self::Refresh => "refresh",
            Self::Restore => "restore",
            Self::ResumeRestore => "resume_restore",
            Self::AbandonRestore => "abandon_restore",
            Self::Verify => "verify",
            Self::Seal => "seal",
            Self::Scrub => "scrub",
            Self::PlanEstablish => "plan_establish",
            Self::PlanRestore => "plan_restore",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Detach => "detach",
            Self::OpenMirror => "open_mirror",
            Self::Repair => "repair",
            Self::Array => "array",
        }
    }

    const fn is_legal(self, state: State, restore_pending: bool) -> bool {
        match self {
            Self::Establish | Self::Refresh | Self::PlanEstablish | Self::Repair => true,
            Self::Detach | Self::Array => !restore_pending,
            Self::Split => matches!(state, State::Synchronized),
            Self::Restore | Self::PlanRestore => matches!(state, State::Split) && !restore_pending,
            Self::ResumeRestore | Self::AbandonRestore => {
                matches!(state, State::Split) && restore_pending
            }
            Self::Seal | Self::Scrub | Self::Hold | Self::Release | Self::OpenMirror => {
                matches!(state, State::Split)
            }
            Self::Verify => !matches!(state, State::Initialized),
        }
    }
}

/// What the protections look at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The state.
    pub state: State,
    /// The conditions.
    pub conditions: &'a Conditions,
    /// The reason of a hold, when there is one.
    pub hold: Option<&'a str>,
    /// Whether the source is shorter than half of what the mirror holds.
    pub shrunk: bool,
}

/// Why a legal verb is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The mirror is on hold.
    Held(String),
    /// The mirror was changed since its split.
    Skewed,
    /// Conditions that the caller has not accepted.
    Conditions(Vec<String>),
}

/// What a caller may override by naming it in `accept`.
pub const ACCEPTABLE: [&str; 7] = [
    Condition::RestorePending.name(),
    Condition::MirrorSkewed.name(),
    Condition::SourceSuspect.name(),
    Condition::SourceReplaced.name(),
    Condition::SourceRestoring.name(),
    "shrunk",
    "unsealed",
];

/// The verbs that are legal now and not refused by a protection, for messages and status.
pub fn legal_verbs(now: Situation<'_>) -> Vec<&'static str> {
    let pending = now.conditions.has(Condition::RestorePending);
    let open =
        |verb: &Verb| verb.is_legal(now.state, pending) && check_guards(*verb, now, &[]).is_ok();
    Verb::ALL.into_iter().filter(open).map(Verb::name).collect()
}

/// Whether the table allows the verb. `restart` lets a restore begin anew over one that is pending.
pub fn check_state(verb: Verb, state: State, conditions: &Conditions, restart: bool) -> bool {
    verb.is_legal(state, conditions.has(Condition::RestorePending) && !restart)
}

/// The protections of a pair whose state allows the verb. `accept` names what the caller overrides.
pub fn check_guards(verb: Verb, now: Situation<'_>, accept: &[String]) -> Result<(), Refusal> {
    let accepted = |name: &str| accept.iter().any(|word| word == name);
    let has = |condition: Condition| now.conditions.has(condition) && !accepted(condition.name());
    let replaces_mirror =
        matches!(verb, Verb::Establish | Verb::Refresh) && now.state != State::Initialized;
    if let Some(reason) = now.hold
        && (replaces_mirror || matches!(verb, Verb::Detach | Verb::Repair))
    {
        return Err(Refusal::Held(reason.to_owned()));
    }
    if matches!(verb, Verb::Restore | Verb::ResumeRestore | Verb::Seal)
        && has(Condition::MirrorSkewed)
    {
        return Err(Refusal::Skewed);
    }
    let mut refused = Vec::new();
    if verb == Verb::Repair && has(Condition::RestorePending) {
        refused.push(Condition::RestorePending.name().to_owned());
    }
    if replaces_mirror {
        let guards = [
            Condition::RestorePending,
            Condition::SourceSuspect,
            Condition::SourceReplaced,
            Condition::SourceRestoring,
        ];
        refused.extend(
            guards.into_iter().filter(|guard| has(*guard)).map(|guard| guard.name().to_owned()),
        );
        if now.shrunk && !accepted("shrunk") {
            refused.push("shrunk".to_owned());
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Refusal::Conditions(refused)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 4] =
        [State::Initialized, State::Unsynchronized, State::Synchronized, State::Split];

    /// The table of the head comment, cell by cell: one letter a state, `y` legal, `-` not.
    #[test]
    fn the_verb_table_cell_by_cell() {
        let table = [
            (Verb::Establish, "yyyy"),
            (Verb::Refresh, "yyyy"),
            (Verb::PlanEstablish, "yyyy"),
            (Verb::Detach, "yyyy"),
            (Verb::Split, "--y-"),
            (Verb::Restore, "---y"),
            (Verb::PlanRestore, "---y"),
            (Verb::ResumeRestore, "----"),
            (Verb::AbandonRestore, "----"),
            (Verb::Seal, "---y"),
            (Verb::Scrub, "---y"),
            (Verb::Hold, "---y"),
            (Verb::Release, "---y"),
            (Verb::OpenMirror, "---y"),
            (Verb::Verify, "-yyy"),
            (Verb::Repair, "yyyy"),
            (Verb::Array, "yyyy"),
        ];
        assert_eq!(table.len(), Verb::ALL.len());
        for (verb, row) in table {
            for (state, cell) in STATES.into_iter().zip(row.chars()) {
                assert_eq!(
                    check_state(verb, state, &Conditions::default(), false),
                    cell == 'y',
                    "{verb:?} {state:?}"
                );
            }
        }
    }

    #[test]
    fn a_pending_restore_is_resumed_restarted_or_abandoned() {
        let mut pending = Conditions::default();
        pending.set(Condition::RestorePending);
        assert!(!check_state(Verb::Restore, State::Split, &pending, false));
        assert!(check_state(Verb::Restore, State::Split, &pending, true));
        assert!(check_state(Verb::ResumeRestore, State::Split, &pending, false));
        assert!(check_state(Verb::AbandonRestore, State::Split, &pending, false));
        assert!(!check_state(Verb::Detach, State::Split, &pending, false));
        let now =
            Situation { state: State::Split, conditions: &pending, hold: None, shrunk: false };
        let legal = legal_verbs(now);
        assert!(legal.contains(&"resume_restore") && legal.contains(&"abandon_restore"));
        assert!(!legal.contains(&"establish") && !legal.contains(&"detach"));
    }

    #[test]
    fn i6_nothing_replaces_a_protected_point_unless_each_guard_is_named() {
        let mut conditions = Conditions::default();
        conditions.set(Condition::SourceSuspect);
        conditions.set(Condition::SourceReplaced);
        let now =
            Situation { state: State::Split, conditions: &conditions, hold: None, shrunk: true };
        let refused = |accept: &[&str]| {
            let accept: Vec<String> = accept.iter().map(ToString::to_string).collect();
            match check_guards(Verb::Establish, now, &accept) {
                Err(Refusal::Conditions(names)) => names,
                _ => Vec::new(),
            }
        };
        assert_eq!(refused(&[]), ["source-suspect", "source-replaced", "shrunk"]);
        assert_eq!(refused(&["shrunk", "source-suspect"]), ["source-replaced"]);
        assert!(refused(&["shrunk", "source-suspect", "source-replaced"]).is_empty());
        let held = Situation { hold: Some("audit"), ..now };
        let all = ["shrunk", "source-suspect", "source-replaced", "hold"].map(String::from);
        assert_eq!(check_guards(Verb::Establish, held, &all), Err(Refusal::Held("audit".into())));
        assert_eq!(check_guards(Verb::Detach, held, &all), Err(Refusal::Held("audit".into())));
        let first = Situation { state: State::Initialized, hold: None, ..now };
        assert_eq!(check_guards(Verb::Establish, first, &[]), Ok(()));
    }

    #[test]
    fn a_skewed_mirror_is_neither_restored_from_nor_sealed_unasked() {
        let mut conditions = Conditions::default();
        conditions.set(Condition::MirrorSkewed);
        let now =
            Situation { state: State::Split, conditions: &conditions, hold: None, shrunk: false };
        for verb in [Verb::Restore, Verb::ResumeRestore, Verb::Seal] {
            assert_eq!(check_guards(verb, now, &[]), Err(Refusal::Skewed));
            assert_eq!(check_guards(verb, now, &["mirror-skewed".into()]), Ok(()));
        }
    }
}
