//! Completing databases that an earlier upgrade has left at head with revisions that never ran.
//!
//! Nothing moves: what uses such a database stops, the database is backed up, the revisions run in one transaction, and
//! what uses it is started, a barrier after each step. A database that can't be completed soundly is left out: the
//! pre-flight refuses it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Plan, Recovery, Stage, StageKind};
use super::acts::{self, Store};
use super::judge::state_of;
use super::member::Member;
use super::planner::{Input, names, stage};
use super::rolling::quorums;
use crate::facts::{Database, HostFacts, facts_of};
use crate::release::Release;
use crate::resource::component::Rehearsal;

/// Makes the plan. Instances are taken at the releases that are installed, whatever they declare; what is to be known of
/// their databases is [`crate::resource::component::Component::whole_schema_query`].
#[must_use]
pub fn mend(input: &Input<'_>) -> Plan {
    let members: Vec<Member<'_>> = input.instances.iter().map(|instance| Member::new(instance, input)).collect();
    let facts: Vec<_> = members.iter().map(|member| facts_of(input.facts, &member.instance.host)).collect();
    let basis = members.iter().zip(&facts).map(|(m, facts)| (m.instance.id(), state_of(m.instance, facts))).collect();
    let (instances, quorums) = (input.instances.to_vec(), quorums(input));
    let mut plan = Plan {
        instances,
        resources: Vec::new(),
        basis,
        quorums,
        waiting: vec![],
        stages: vec![],
        recoveries: vec![],
        mends: true,
    };
    let databases: BTreeSet<&Database> = members.iter().filter_map(|member| member.database.as_ref()).collect();
    let mut all: Vec<Mended<'_, '_>> =
        databases.into_iter().filter_map(|database| Mended::of(database, &members, &facts, input)).collect();
    all.sort_by(|a, b| a.release.cmp(b.release));
    for mended in all {
        let first = plan.recoveries.len();
        plan.recoveries.extend([mended.way_back(), mended.restore()]);
        let recovered = |recovery: usize| move |stage: Stage| Stage { recovery: Some(recovery), ..stage };
        plan.stages.extend(mended.rehearsal());
        plan.stages.extend(mended.until_migration().into_iter().map(recovered(first)));
        plan.stages.extend(mended.once_migrating().into_iter().map(recovered(first + 1)));
    }
    plan
}

/// One database that is completed.
struct Mended<'m, 'a> {
    release: &'m Release,
    members: &'m [Member<'a>],
    /// Members that use it, in the order of plays.
    users: Vec<usize>,
    store: Store<'m, 'a>,
    /// Applied revisions of which nothing can be told.
    untold: usize,
}

impl<'m, 'a> Mended<'m, 'a> {
    /// `None` where it lacks nothing, or can't be completed.
    fn of(
        database: &'m Database,
        members: &'m [Member<'a>],
        facts: &[Cow<'_, HostFacts>],
        input: &Input<'_>,
    ) -> Option<Self> {
        let uses = |number: &usize| members[*number].database.as_ref() == Some(database);
        let users: Vec<usize> = (0..members.len()).filter(uses).collect();
        let number = *users.first()?;
        let member = &members[number];
        let ids = super::planner::ids(&users, members);
        let store = Store::mending(member, database, ids, &facts[number], input.catalogue)?;
        let effects = facts[number].effects(&member.instance.component.whole_schema_query()?);
        let untold = effects.known().map_or(0, |effects| effects.untold.len());
        Some(Self { release: member.installed.as_ref()?, members, users, store, untold })
    }

    fn stage(&self, title: &str, actions: Vec<Action>) -> Option<Stage> {
        let title = format!("{}: {title}", self.release);
        (!actions.is_empty()).then(|| stage(title, StageKind::FullStop, actions))
    }

    fn name(&self) -> &str {
        &self.store.member.instance.component.name
    }

    /// At head nothing but a copy can show beforehand whether the revisions run, so only `never` does without.
    fn rehearsal(&self) -> Option<Stage> {
        let venv = &self.store.member.instance.component.venv;
        let tried = match self.store.schema.rehearsal {
            Rehearsal::Always | Rehearsal::Major => self.store.rehearsal(self.release, venv),
            Rehearsal::Never => Vec::new(),
        };
        self.stage(&format!("rehearse the mending of {}", self.name()), tried)
    }

    fn until_migration(&self) -> Vec<Stage> {
        let why = "its database is completed, and nothing may use it meanwhile";
        let stops = self.plays(self.running()).into_values().rev().flat_map(|numbers| {
            let stops = numbers.iter().map(|n| acts::stop(self.release, &self.members[*n], why.to_owned())).collect();
            self.stage(&format!("stop {}", names(&numbers, self.members)), stops)
        });
        let mut stages: Vec<Stage> = stops.collect();
        let backups = self.store.backups(self.release, &self.store.users);
        stages.extend(self.stage(&format!("back up the database of {}", self.name()), backups));
        let copying = self.store.copying(self.release);
        stages.extend(self.stage(&format!("copy the backup of {}", self.name()), copying));
        stages
    }

    fn once_migrating(&self) -> Vec<Stage> {
        let migration = self.store.migrate(self.release, &self.store.users);
        let mut stages: Vec<Stage> =
            self.stage(&format!("mend the database of {}", self.name()), vec![migration]).into_iter().collect();
        if let (Some(first), 1..) = (stages.first_mut(), self.untold) {
            first.notes.push(format!(
                "whether all is there of {} other revision(s) can't be told from a schema: those that change data alone, \
                 among others; `converge schema check --output json` names them",
                self.untold
            ));
        }
        // Also what an interrupted mending has left stopped.
        stages.extend(self.starts("start", self.users.clone(), "its database is complete"));
        stages
    }

    fn starts(&self, verb: &str, numbers: Vec<usize>, why: &str) -> Vec<Stage> {
        let start = |numbers: Vec<usize>| {
            let start = |n: &usize| {
                let member = &self.members[*n];
                Some(acts::start_again(member.installed.as_ref()?, member, verb, why))
            };
            let starts = numbers.iter().filter_map(start).collect();
            self.stage(&format!("start {}", names(&numbers, self.members)), starts)
        };
        self.plays(numbers).into_values().filter_map(start).collect()
    }

    /// Until the revisions run, nothing but processes has changed.
    fn way_back(&self) -> Recovery {
        let stages =
            self.starts("start-back", self.running(), "the mending is given up, and the database is as it was");
        Recovery { title: "back to where it was".to_owned(), takes_back: true, stages, advice: Vec::new() }
    }

    /// From there on only the job's own words tell what was left, so people decide.
    fn restore(&self) -> Recovery {
        let host = &self.store.member.instance.host;
        let mut advice = vec![
            "forward: mend the cause, then run converge schema mend again: it goes on from what is there".to_owned(),
            "back: where the output says \"rolled back\", the database is as it was: converge starts what is stopped"
                .to_owned(),
        ];
        advice.extend(self.store.access().map(|access| format!("back otherwise, on {host}: first {access}")));
        advice.push(format!("back otherwise, on {host}: {}", self.store.restore(self.release)));
        advice.extend(self.store.copy_advice(self.release));
        Recovery { title: "the way back is for people".to_owned(), takes_back: false, stages: Vec::new(), advice }
    }

    fn running(&self) -> Vec<usize> {
        self.users.iter().copied().filter(|number| self.members[*number].running).collect()
    }

    /// Members by play, in the order of plays.
    fn plays(&self, numbers: Vec<usize>) -> BTreeMap<usize, Vec<usize>> {
        let mut plays: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in numbers {
            plays.entry(self.members[number].instance.play).or_default().push(number);
        }
        plays
    }
}
