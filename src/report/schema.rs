//! Whether schemas are complete, as an object, and that object as text and JSON. The exit code of `converge schema check` is
//! derived from this very object.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::desired::Instance;
use crate::facts::{Effects, HostFacts, Observed, SchemaFact, facts_of};
use crate::model::{HostName, printable};
use crate::plan::schema_in_words;
use crate::release::{Catalogue, Deviation, Mending, RevisionId, SchemaState, mendable};
use crate::resource::component::presence_of;

/// The version of the JSON format: the first number changes when a reader of the old one would misread.
const FORMAT: &str = "1.0";

/// How complete the schemas of all declared components are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaReport {
    /// The version of this format.
    pub format_version: String,
    /// Whether everything was seen, every database is at its package's head, and nothing is missing.
    pub complete: bool,
    /// Every component with a schema, in the order of plays.
    pub components: Vec<CheckedSchema>,
    /// Hosts that could not be asked, with why.
    pub unreachable: BTreeMap<HostName, String>,
}

/// One component's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedSchema {
    /// The host that was asked.
    pub host: HostName,
    /// The component.
    pub component: String,
    /// The database, where it could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Where the database stands, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SchemaState>,
    /// How many things of how many revisions were looked for.
    pub looked_for: LookedFor,
    /// What is missing or left over, by revision, in the order of the names.
    pub incomplete: Vec<IncompleteRevision>,
    /// What is otherwise than revisions leave it, and is known to be well.
    pub deviations: Vec<String>,
    /// How it can be completed.
    pub mending: Mending,
    /// Revisions of which nothing, or not all, can be told without running them.
    pub untold: BTreeMap<RevisionId, String>,
    /// What could not be found out.
    pub unknown: Vec<String>,
}

/// How much a comparison rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LookedFor {
    /// Things: tables, columns, indexes, labels, there or gone.
    pub things: usize,
    /// Revisions that say so.
    pub revisions: usize,
}

/// A revision that the database takes for applied and that is not, or not wholly, there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncompleteRevision {
    /// The revision.
    pub revision: RevisionId,
    /// The first line of its docstring; may be empty.
    pub message: String,
    /// What is missing, and what is still there, in words.
    pub things: Vec<String>,
    /// How many things of it were looked for.
    pub expected: usize,
}

impl CheckedSchema {
    fn is_complete(&self) -> bool {
        matches!(self.state, Some(SchemaState::AtHead { .. })) && self.incomplete.is_empty() && self.unknown.is_empty()
    }
}

impl SchemaReport {
    /// Draws the report from what was observed: [`crate::resource::component::Component::queries`] and
    /// [`crate::resource::component::Component::whole_schema_query`] of every instance.
    #[must_use]
    pub fn new(instances: &[Instance], facts: &BTreeMap<HostName, HostFacts>, catalogue: &Catalogue) -> Self {
        let unreachable: BTreeMap<HostName, String> =
            facts.iter().filter_map(|(host, facts)| Some((host.clone(), facts.unreachable.clone()?))).collect();
        let asked = instances.iter().filter(|instance| !unreachable.contains_key(&instance.host));
        let components: Vec<CheckedSchema> =
            asked.filter_map(|instance| checked(instance, &facts_of(facts, &instance.host), catalogue)).collect();
        let complete = unreachable.is_empty() && components.iter().all(CheckedSchema::is_complete);
        Self { format_version: FORMAT.into(), complete, components, unreachable }
    }

    /// Whether something could not be found out on a host that answered.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.components.iter().any(|component| !component.unknown.is_empty())
    }
}

fn checked(instance: &Instance, facts: &HostFacts, catalogue: &Catalogue) -> Option<CheckedSchema> {
    let schema = instance.component.schema_fact(facts)?;
    let mut checked = CheckedSchema {
        host: instance.host.clone(),
        component: instance.component.name.clone(),
        database: None,
        state: None,
        looked_for: LookedFor::default(),
        incomplete: Vec::new(),
        deviations: Vec::new(),
        mending: Mending::default(),
        untold: BTreeMap::new(),
        unknown: Vec::new(),
    };
    let Some(schema) = known("the schema", schema, &mut checked.unknown) else { return Some(checked) };
    let SchemaFact { database: _, name, rows, bytes: _, graph, previous: _, dump_tool: _, server: _ } = schema;
    checked.database = Some(name.clone());
    let Some(graph) = known("the package's revisions", graph.as_ref(), &mut checked.unknown) else {
        return Some(checked);
    };
    let state = graph.locate(rows);
    // Where nothing is applied, or it isn't known what, there is nothing to compare with.
    let comparable = match &state {
        SchemaState::AtHead { .. }
        | SchemaState::Behind { .. }
        | SchemaState::Incomplete { .. }
        | SchemaState::SeveralRows { .. } => true,
        SchemaState::Empty
        | SchemaState::UnknownRevision { .. }
        | SchemaState::SeveralHeads { .. }
        | SchemaState::NoMigrations => false,
    };
    checked.state = Some(state);
    if !comparable {
        return Some(checked);
    }
    let effects = instance.component.whole_schema_query().map(|query| facts.effects(&query))?;
    let Some(effects) = known("what revisions bring", effects, &mut checked.unknown) else { return Some(checked) };
    let Effects { revisions, missing, untold } = effects;
    checked.looked_for = LookedFor { things: effects.expected(), revisions: revisions.len() };
    checked.untold.clone_from(untold);
    let deviations = instance.component.deviations(catalogue);
    let presence = presence_of(effects, deviations);
    for (id, told) in revisions {
        let things = missing.iter().filter(|effect| effect.revision == *id).map(ToString::to_string);
        let (known, wrong): (Vec<String>, Vec<String>) =
            things.partition(|thing| deviations.iter().any(|one| one.revision == *id && one.thing == *thing));
        let expected = told.expected - known.len();
        checked.deviations.extend(known.iter().map(|thing| deviation(deviations, id, thing)));
        if !wrong.is_empty() {
            let (revision, message) = (id.clone(), told.message.clone());
            checked.incomplete.push(IncompleteRevision { revision, message, things: wrong, expected });
        }
    }
    checked.mending = mendable(graph, rows, &presence);
    Some(checked)
}

fn deviation(deviations: &[Deviation], revision: &str, thing: &str) -> String {
    let known = deviations.iter().find(|one| one.revision == revision && one.thing == thing);
    format!("{thing} ({revision}): {}", known.map_or("", |one| one.reason.as_str()))
}

fn known<'a, T>(what: &str, observed: Observed<&'a T>, unknown: &mut Vec<String>) -> Option<&'a T> {
    match observed {
        Observed::Known(value) => return Some(value),
        Observed::Absent => unknown.push(format!("{what}: there is no alembic.ini")),
        Observed::Unknown(reason) => unknown.push(format!("{what}: {reason}")),
    }
    None
}

/// The report for people.
#[must_use]
pub fn schema_text(report: &SchemaReport) -> String {
    let SchemaReport { format_version: _, complete: _, components, unreachable } = report;
    let mut text = String::new();
    for component in components {
        component_text(&mut text, component);
    }
    for (host, reason) in unreachable {
        let _ = writeln!(text, "{}", Styled(BAD, format!("{host}: UNREACHABLE: {}", printable(reason))));
    }
    if components.is_empty() && unreachable.is_empty() {
        text.push_str("no component declares a schema\n");
    }
    text
}

fn component_text(text: &mut String, checked: &CheckedSchema) {
    let CheckedSchema {
        host,
        component,
        database,
        state,
        looked_for,
        incomplete,
        deviations,
        mending,
        untold,
        unknown,
    } = checked;
    let stands = state.as_ref().map_or_else(|| "not known".to_owned(), schema_in_words);
    let database = database.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let _ =
        writeln!(text, "{}: {}", Styled(HEAD, format!("{host}/{component}{}", printable(database))), printable(stands));
    for reason in unknown {
        let _ = writeln!(text, "  {}", Styled(BAD, format!("UNKNOWN: {}", printable(reason))));
    }
    let LookedFor { things, revisions } = looked_for;
    let wrong: usize = incomplete.iter().map(|revision| revision.things.len()).sum();
    if *things > 0 {
        let verdict = match wrong {
            0 => Styled(GOOD, "all as they should be".to_owned()),
            1 => Styled(BAD, "1 is not as it should be".to_owned()),
            wrong => Styled(BAD, format!("{wrong} are not as they should be")),
        };
        let _ = writeln!(text, "  {things} things of {revisions} revisions looked for: {verdict}");
    }
    for IncompleteRevision { revision, message, things, expected } in incomplete {
        let _ = writeln!(text, "  {revision} {}", printable(message));
        let _ = writeln!(text, "    {} of {expected}: {}", things.len(), printable(things.join(", ")));
    }
    for deviation in deviations {
        let _ = writeln!(text, "  known to be well: {}", printable(deviation));
    }
    mending_text(text, mending);
    if !untold.is_empty() {
        let _ = writeln!(
            text,
            "  {} revisions change data alone, or what can't be told without running them: nothing is proven of those",
            untold.len()
        );
    }
}

fn mending_text(text: &mut String, mending: &Mending) {
    let Mending { sound, unsound } = mending;
    if !sound.is_empty() {
        let head = Styled(CHANGED, "never ran, and may run now, in this order");
        let _ = writeln!(text, "  {head}: {}", sound.join(", "));
    }
    for (revision, why) in unsound {
        let _ = writeln!(text, "  {}: {revision}: {}", Styled(BAD, "must not be run"), printable(why));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::desired::fixture::{Seen, facts, manager};
    use crate::facts::{Effect, EffectKind, Fact, Query, RevisionEffects};

    fn report(missing: &[(&str, &str)], told: &[(&str, usize)], row: &str) -> SchemaReport {
        let instance = manager("m", "25.6.4");
        let mut facts = facts(&instance, &Seen::default());
        let query = instance.component.schema_query().unwrap();
        let Some(Fact::Schema(Observed::Known(schema))) = facts.answers.get_mut(&Query::Schema(query)) else {
            panic!("the fixture has a schema")
        };
        schema.rows = BTreeSet::from([row.to_owned()]);
        let mut effects = Effects::default();
        for (id, expected) in told {
            let gone = missing.iter().filter(|(revision, _)| revision == id).count();
            let one = RevisionEffects { expected: *expected, missing: gone, ..RevisionEffects::default() };
            effects.revisions.insert((*id).into(), one);
        }
        for (revision, name) in missing {
            let (revision, name) = ((*revision).into(), (*name).into());
            effects.missing.insert(Effect { revision, kind: EffectKind::Column, name, left: false });
        }
        let question = Query::Effects(instance.component.whole_schema_query().unwrap());
        facts.answers.insert(question, Fact::Effects(Observed::Known(effects)));
        let all = BTreeMap::from([(instance.host.clone(), facts)]);
        SchemaReport::new(std::slice::from_ref(&instance), &all, &Catalogue::bundled())
    }

    fn head() -> String {
        let instance = manager("m", "25.6.4");
        let facts = facts(&instance, &Seen::default());
        let schema = instance.component.schema_fact(&facts).unwrap();
        schema.known().unwrap().graph.known().unwrap().heads().into_iter().next().unwrap()
    }

    #[test]
    fn a_complete_schema_is_told_as_such() {
        let head = head();
        let report = report(&[], &[(&head, 4)], &head);
        assert!(report.complete && !report.has_unknown());
        assert!(schema_text(&report).contains("4 things of 1 revisions looked for"), "{}", schema_text(&report));
    }

    #[test]
    fn what_never_ran_is_named_with_what_may_run() {
        let head = head();
        let report = report(&[(&head, "groups.type")], &[(&head, 1)], &head);
        assert!(!report.complete);
        assert_eq!(report.components[0].mending.sound, [head.as_str()]);
        let text = schema_text(&report);
        assert!(text.contains("1 of 1: column groups.type") && text.contains("never ran"), "{text}");
    }

    #[test]
    fn known_deviations_are_shown_and_count_as_complete() {
        let head = head();
        let report = report(&[("85984c98b90f", "endpoints.scaling_group")], &[("85984c98b90f", 9)], &head);
        assert!(report.complete, "{report:?}");
        assert!(schema_text(&report).contains("known to be well: column endpoints.scaling_group"));
    }

    #[test]
    fn a_database_of_which_nothing_is_known_is_never_complete() {
        let instance = manager("m", "25.6.4");
        let facts = BTreeMap::from([(instance.host.clone(), facts(&instance, &Seen::default()))]);
        // Nobody asked what the revisions bring.
        let report = SchemaReport::new(std::slice::from_ref(&instance), &facts, &Catalogue::default());
        assert!(!report.complete && report.has_unknown());
        assert!(schema_text(&report).contains("UNKNOWN: what revisions bring: it was not asked"));
    }

    #[test]
    fn an_unreachable_host_is_said_once_and_makes_it_incomplete() {
        let instance = manager("m", "25.6.4");
        let gone = HostFacts::unreachable(instance.host.clone(), "no route".into());
        let facts = BTreeMap::from([(instance.host.clone(), gone)]);
        let report = SchemaReport::new(std::slice::from_ref(&instance), &facts, &Catalogue::default());
        assert!(!report.complete && report.components.is_empty());
        assert!(schema_text(&report).contains("UNREACHABLE: no route"));
    }
}
