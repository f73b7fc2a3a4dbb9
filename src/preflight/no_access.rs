//! Files or processes that the user who logs in can't change: told before anything is stopped for them.

use super::{Breach, Rule, Subject};
use crate::facts::Observed;
use crate::resource::component::{PlannedPath, Running, Supervisor};

pub(super) const RULE: Rule = Rule {
    code: "no-access",
    demands: "the user who logs in can write to the environment of what moves, and can signal what is to be stopped",
    source: "measured: pip fails on the first file that isn't its own, when the process is already stopped",
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    [locked_environment(subject), foreign_process(subject)].into_iter().flatten().collect()
}

fn locked_environment(subject: &Subject<'_>) -> Option<Breach> {
    let moves = match &subject.path {
        PlannedPath::Hops(hops) => !hops.is_empty(),
        PlannedPath::Refused { .. } | PlannedPath::Unknown(_) => false,
    };
    match subject.facts.disk(&subject.instance.component.venv_disk_query()) {
        Observed::Known(disk) if moves && !disk.writable => Some(Breach {
            observed: format!("{} can't be written to", disk.existing),
            next: "log in as the owner of the environment (ansible_user), or give this user access to it".into(),
        }),
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
    (subject.would_stop() && system.uid != 0).then(|| Breach {
        observed: format!("process {} belongs to user {}, the login to user {}", foreign.pid, foreign.uid, system.uid),
        next: "log in as the user that runs the component (ansible_user)".into(),
    })
}
