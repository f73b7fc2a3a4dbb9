//! What alembic would leave out: who can bring it in, and where nobody can.

use super::*;
use crate::release::{CatchUp, RevisionGraph};
use crate::resource::component::{LeftOut, Rehearsal};

/// The same with upstream's own command for what alembic would leave out.
fn by_upstream(mut instance: Instance) -> Instance {
    let schema = instance.component.schema.as_mut().unwrap();
    (schema.left_out, schema.rehearsal) = (LeftOut::Upstream, Rehearsal::Never);
    instance
}

/// What the rule says where 25.6.1 was switched to, with the revisions `now`, and `before` are those of the package that
/// lies beside it.
fn interrupted(instances: &[Instance], before: &[(&str, &[&str])], now: &[(&str, &[&str])]) -> Vec<String> {
    let graph = |edges: &[(&str, &[&str])]| {
        let down = |down: &[&str]| down.iter().map(|one| (*one).to_owned()).collect();
        RevisionGraph::of_edges(edges.iter().map(|(id, d)| ((*id).to_owned(), down(d))).collect())
    };
    let mut case = Case::new(instances, &[Seen { running: None, ..Seen::default() }]);
    let query = Query::Schema(instances[0].component.schema_query().unwrap());
    let Some(Fact::Schema(Observed::Known(schema))) =
        case.facts.get_mut(&instances[0].host).unwrap().answers.get_mut(&query)
    else {
        panic!()
    };
    (schema.previous, schema.graph) = (Some(graph(before)), Observed::Known(graph(now)));
    case.of("schema-skips")
}

#[test]
fn what_alembic_would_leave_out_is_refused_only_where_a_run_cannot_bring_it_in() {
    let spliced: &[(&str, &[&str])] = &[("a1", &[]), ("x9", &["a1"]), ("b2", &["x9"])];
    let merged: &[(&str, &[&str])] = &[("a1", &[]), ("p", &["a1"]), ("q", &["a1"]), ("m", &["p", "q"]), ("b2", &["m"])];
    let skips = |layout: Layout, revisions: &[(&str, &[&str])]| {
        let mut instances = [manager("m", "25.6.2")];
        instances[0].component.environments.layout = layout;
        let case = with_package(&instances, revisions);
        case.findings().into_iter().filter(|finding| finding.code == "schema-skips").collect::<Vec<_>>()
    };
    // The old package stays beside the new one, and tells what was run.
    assert!(skips(Layout::Staged, spliced).is_empty());
    for layout in [Layout::InPlace, Layout::Auto] {
        let found = skips(layout, spliced);
        assert!(found[0].observed.contains("x9; its environment is changed in place"), "{found:?}");
        assert!(found[0].next.contains("layout: staged"), "{found:?}");
    }
    // Where merges lie above them, no order is known, wherever the packages lie.
    for layout in [Layout::InPlace, Layout::Auto, Layout::Staged] {
        let found = skips(layout, merged);
        assert!(found[0].observed.contains("skip 3 revision(s)"), "{found:?}");
        assert!(found[0].observed.contains("merges above them"), "{found:?}");
        assert_eq!((found[0].severity, found[0].refuses()), (Severity::Mandatory, true));
    }
}

#[test]
fn upstreams_own_command_is_refused_where_the_package_has_not_what_it_needs() {
    let spliced: &[(&str, &[&str])] = &[("a1", &[]), ("x9", &["a1"]), ("b2", &["x9"])];
    let plain: &[(&str, &[&str])] = &[("a1", &[]), ("b2", &["a1"]), ("c3", &["b2"])];
    let look = |revisions: &[(&str, &[&str])], command: bool, histories: &[&str]| {
        let mut instances = [by_upstream(manager("m", "25.6.2"))];
        instances[0].component.environments.layout = Layout::Staged;
        let mut case = with_package(&instances, revisions);
        let histories = histories.iter().map(|one| (*one).to_owned()).collect();
        wheel_of(&mut case).catch_up = CatchUp { command, histories };
        case.of("schema-skips")
    };
    assert_eq!(look(spliced, true, &["25.06.1"]), [""; 0]);
    let found = look(spliced, false, &["25.06.1"]);
    assert!(
        found[0].contains("x9; `left_out: upstream` is declared, and backend.ai-manager 25.6.2 has no command"),
        "{found:?}"
    );
    for (histories, held) in [(&[][..], "none"), (&["24.09.6", "25.06.0"], "24.09.6, 25.06.0")] {
        let found = look(spliced, true, histories);
        let said = format!("backend.ai-manager 25.6.2 holds no history of 25.6.1 (it holds {held})");
        assert!(found[0].contains(&said), "{found:?}");
    }
    // Where nothing is left out, the command has nothing to do.
    assert_eq!(look(plain, false, &[]), [""; 0]);

    // What isn't known of the package is never a pass.
    let instances = [by_upstream(manager("m", "25.6.2"))];
    let mut case = with_package(&instances, spliced);
    *wheel_fact(&mut case) = Observed::Unknown("the index is out of reach".into());
    let refusals: Vec<String> = case.findings().into_iter().filter(Finding::refuses).map(|one| one.code).collect();
    assert!(refusals.contains(&"unknown-fact".to_owned()), "{refusals:?}");
}

#[test]
fn upstreams_own_command_is_refused_where_nobody_knows_any_more_which_release_was_left() {
    let spliced: &[(&str, &[&str])] = &[("a1", &[]), ("x9", &["a1"]), ("b2", &["x9"])];
    let look = |instance| interrupted(&[instance], &[("a1", &[]), ("b2", &["a1"])], spliced);
    assert_eq!(look(manager("m", "25.6.1")), [""; 0]);
    let found = look(by_upstream(manager("m", "25.6.1")));
    assert!(found[0].contains("x9; `left_out: upstream` is declared, and which release an interrupted"), "{found:?}");
}

#[test]
fn a_release_that_is_switched_to_and_not_migrated_counts_by_the_package_before_it() {
    let instances = [manager("m", "25.6.1")];
    let merged: &[(&str, &[&str])] = &[("a1", &[]), ("p", &["a1"]), ("q", &["a1"]), ("m", &["p", "q"]), ("b2", &["m"])];
    let look = |before| interrupted(&instances, before, merged);
    // The row is the head of what is installed, and still three revisions never ran.
    let found = look(&[("a1", &[]), ("b2", &["a1"])]);
    assert!(found[0].contains("for 25.6.1, alembic would silently skip 3 revision(s)"), "{found:?}");
    assert_eq!(look(merged), [""; 0]);
}
