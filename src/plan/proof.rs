//! The proof of a migration: what its revisions bring, looked for in the live database. A row only says that somebody
//! wrote it.

use std::collections::BTreeSet;

use super::action::Migration;
use super::judge::{Readiness, World, mismatch};
use crate::desired::Instance;
use crate::facts::{EffectsQuery, Observed, facts_of};

/// How it shows that a migration which leaves the row as it is has run: what an earlier run began may have ended since the
/// plan was made, and only what it has left tells.
pub(super) fn ran_already(instance: &Instance, migration: &Migration, world: &World) -> Option<String> {
    if migration.rows != BTreeSet::from([migration.head.clone()]) {
        return None;
    }
    let query = EffectsQuery { database: instance.component.schema_query()?, revisions: migration.revisions() };
    let facts = facts_of(world, &instance.host);
    let effects = facts.effects(&query);
    let expected = effects.known().filter(|found| found.missing.is_empty()).map(|found| found.expected())?;
    (expected > 0).then(|| format!("all {expected} things that its revisions leave are there"))
}

/// What stands against running the revisions of a mending: at head no row tells whether they ran, only what they bring.
/// `None` where nothing does.
pub(super) fn mended_meanwhile(instance: &Instance, migration: &Migration, world: &World) -> Option<Readiness> {
    let expected = "a database without anything that these revisions bring";
    let database = instance.component.schema_query()?;
    let query = EffectsQuery { database, revisions: migration.revisions() };
    let facts = facts_of(world, &instance.host);
    let effects = match facts.effects(&query) {
        Observed::Known(effects) => effects,
        Observed::Absent => return Some(mismatch(expected, "what they bring was not looked for")),
        Observed::Unknown(reason) => return Some(mismatch(expected, &reason)),
    };
    let of = |id: &String| effects.revisions.get(id).map_or((0, 0), |told| (told.expected, told.missing));
    let (absent, there): (Vec<&String>, Vec<&String>) = migration.skipped.iter().partition(|id| {
        let (expected, missing) = of(id);
        missing == expected
    });
    match (absent.is_empty(), there.is_empty()) {
        (_, true) => None,
        (true, false) if effects.missing.is_empty() => {
            Some(Readiness::AlreadyDone("all that they bring is there".into()))
        }
        (_, false) => {
            let told: Vec<String> = there
                .into_iter()
                .map(|id| {
                    let (expected, missing) = of(id);
                    format!("{} of the {expected} things of {id} are there", expected - missing)
                })
                .collect();
            Some(mismatch(expected, &told.join(", ")))
        }
    }
}

/// Whether the schema has what the revisions of a migration bring: a row only says that somebody wrote it.
pub(super) fn effects(instance: &Instance, migration: &Migration, world: &World) -> Result<String, String> {
    let revisions = migration.revisions();
    let Some(database) = instance.component.schema_query().filter(|_| !revisions.is_empty()) else {
        return Ok(String::new());
    };
    match facts_of(world, &instance.host).effects(&EffectsQuery { database, revisions }) {
        Observed::Known(effects) if effects.missing.is_empty() => {
            let untold = match effects.untold.len() {
                0 => String::new(),
                untold => format!("; what {untold} of them do can't be told in full without running them"),
            };
            Ok(format!(", and all {} things that its revisions leave were found{untold}", effects.expected()))
        }
        Observed::Known(effects) => {
            let missing: Vec<String> =
                effects.missing.iter().map(|effect| format!("{effect} of {}", effect.revision)).collect();
            Err(format!("the row is right, and the schema is not: {}", missing.join(", ")))
        }
        Observed::Absent => Err("what the revisions bring was not looked for".into()),
        Observed::Unknown(reason) => Err(format!("what the revisions bring can't be seen: {reason}")),
    }
}
