//! A database that is to be completed and can't be.

use crate::facts::Observed;
use crate::preflight::finding::Severity;
use crate::preflight::rule::{Breach, Rule};
use crate::preflight::subject::Subject;
use crate::resource::component::{Installed, waiting_revisions};

pub(in crate::preflight) const RULE: Rule = Rule {
    code: "schema-unmendable",
    severity: Severity::Mandatory,
    demands: "`converge schema mend` runs only revisions that never ran, and only where they complete the database",
    source: "measured: a revision whose every trace is missing can run late, one that is partly there fails or does half of it twice",
    explanation: "An upgrade by `alembic upgrade head` alone may have left revisions out, and `converge schema mend` runs them late. That is \
                  sound where the database stands at its package's head, nothing that such a revision brings is there, and no later one has \
                  renamed or taken back what it brings. The rule fires for every revision of which that isn't so: somebody has brought part \
                  of it in by hand, or the database was made from models. Then the way is a restore of the backup from before that upgrade, \
                  and the upgrade again with converge; or a person who knows what is missing, with `converge schema check`.",
    check,
};

const RESTORE: &str = "restore the backup from before the upgrade that left it out, declare the release from before, and upgrade with \
                       converge; or bring in by hand what `converge schema check` lists";

fn check(subject: &Subject<'_>) -> Vec<Breach> {
    let Some(mending) = &subject.mending else { return Vec::new() };
    let component = &subject.instance.component;
    let breach = |observed: String, next: &str| vec![Breach::new(observed, next)];
    match subject.assessment.installed {
        Installed::Release(_) => {}
        Installed::Interrupted { .. } | Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => {
            return breach(
                format!("{} is not installed whole, so its revisions can't be trusted", component.package),
                "bring it to a release first: converge",
            );
        }
    }
    if waiting_revisions(component, &subject.facts).is_some_and(|waiting| !waiting.skipped.is_empty()) {
        return breach(
            "a migration of converge's was interrupted, and has not left anything out for good".into(),
            "run converge: it goes on from what is there",
        );
    }
    match mending {
        Observed::Known(mending) => {
            let breaches = mending.unsound.iter().map(|(revision, why)| {
                Breach::new(
                    format!("the database lacks what {revision} brings, and it must not be run: {why}"),
                    RESTORE,
                )
            });
            breaches.collect()
        }
        Observed::Absent => breach("there is no alembic.ini at the declared place".into(), "declare where it lies"),
        Observed::Unknown(reason) => breach(
            format!("what the database lacks is unknown: {reason}"),
            "make it observable; `converge schema check` looks again",
        ),
    }
}
