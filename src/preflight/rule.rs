//! What a rule is, and all of them.

use super::finding::Severity;
use super::rules::*;
use super::subject::Subject;

/// A rule, as data.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its stable code.
    pub code: &'static str,
    /// Whether it may be waived.
    pub severity: Severity,
    /// What it demands, in a sentence.
    pub demands: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Why it is there, what it looks at, and what to do when it is broken.
    pub explanation: &'static str,
    /// Looks at one instance.
    pub(super) check: fn(&Subject<'_>) -> Vec<Breach>,
}

/// How a rule is broken; the frame around it adds the rest of the finding.
pub(super) struct Breach {
    /// What was observed.
    pub(super) observed: String,
    /// What to do.
    pub(super) next: String,
    /// What a waiver may be narrowed to.
    pub(super) about: Option<String>,
    /// Whether the declared release asked for it, rather than the task as a whole.
    pub(super) of_release: bool,
}

impl Breach {
    /// A breach by the task as a whole.
    pub(super) fn new(observed: impl Into<String>, next: impl Into<String>) -> Self {
        Self { observed: observed.into(), next: next.into(), about: None, of_release: false }
    }

    /// A breach by the release that is declared.
    pub(super) fn of_release(observed: impl Into<String>, next: impl Into<String>) -> Self {
        Self { of_release: true, ..Self::new(observed, next) }
    }

    /// The same, with what a waiver may be narrowed to.
    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: Some(about.into()), ..self }
    }
}

/// All rules, the worst first: this is the order in which findings are reported.
#[must_use]
pub fn rules() -> [Rule; 42] {
    [
        unreachable::RULE,
        job_running::RULE,
        unknown_fact::RULE,
        in_the_way::RULE,
        assertion::RULE,
        // The way there.
        downgrade::RULE,
        major_unasked::RULE,
        major_rolling::RULE,
        skipped_train::RULE,
        not_last_patch::RULE,
        not_published::RULE,
        yanked_release::RULE,
        broken_release::RULE,
        wrong_python::RULE,
        not_locked::RULE,
        // The database.
        schema::RULE,
        schema_target::RULE,
        schema_skips::RULE,
        schema_unmendable::RULE,
        shared_database::RULE,
        database_moving::RULE,
        backup::RULE,
        backup_host::RULE,
        // What would be hurt.
        work_running::RULE,
        shared_venv::RULE,
        quorum::RULE,
        // The hosts.
        space::RULE,
        no_access::RULE,
        unit::RULE,
        stop_signal::RULE,
        major_in_place::RULE,
        // What an operator may answer for.
        work_running_patch::RULE,
        mixed_releases::RULE,
        running_differs::RULE,
        missing_module::RULE,
        unknown_train::RULE,
        agent_state::RULE,
        manual_step::RULE,
        known_risk::RULE,
        change_log::RULE,
        users_not_notified::RULE,
        outside_window::RULE,
    ]
}

/// The rule of this code.
#[must_use]
pub fn rule(code: &str) -> Option<Rule> {
    rules().into_iter().find(|rule| rule.code == code)
}
