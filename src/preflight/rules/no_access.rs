//! Files or processes that the session's user (who logs in, or whom it becomes) can't change: told before anything is stopped for them.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::resource::component::{Running, Supervisor};

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "no-access",
    severity: Severity::Mandatory,
    demands: "the session's user can write to the environment of what moves, and can signal what is to be stopped",
    source: "measured: pip fails on the first file that isn't its own, when the process is already stopped",
    explanation: "What the session's user may not write or signal would fail after the process was stopped. That user is the one who logs \
                  in, or the one whom the session becomes (become). The rule compares owners of processes, and the rights on the \
                  environment, with it. Log in as the owner (ansible_user), or become the owner or root (ansible_become).",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    [locked_environment(subject), foreign_process(subject)].into_iter().flatten().collect()
}

fn locked_environment(subject: &Subject<'_>) -> Option<Breach> {
    match subject.facts.disk(&subject.instance.component.venv_disk_query()) {
        Observed::Known(disk) if subject.moves() && !disk.writable => Some(Breach::new(
            format!("{} can't be written to", disk.existing),
            "log in as the owner of the environment (ansible_user), become it (ansible_become_user), or give this user access to it",
        )),
        Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => None,
    }
}

fn foreign_process(subject: &Subject<'_>) -> Option<Breach> {
    // Whether systemd obeys is for its policy to say.
    match &subject.instance.component.process.supervisor {
        Supervisor::Systemd { .. } => return None,
        Supervisor::Command { .. } => {}
    }
    let Running::Running { processes, .. } = &subject.assessment.running else { return None };
    let Observed::Known(system) = subject.facts.system() else { return None };
    let foreign = processes.iter().find(|process| process.uid != system.uid)?;
    (subject.would_stop() && system.uid != 0).then(|| {
        Breach::new(
            format!(
                "process {} belongs to user {}, and the session is user {}'s",
                foreign.pid, foreign.uid, system.uid
            ),
            "log in as the user that runs the component (ansible_user), or become it (ansible_become_user)",
        )
    })
}
