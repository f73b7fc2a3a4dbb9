use super::*;
use crate::release::{Release, Scheme, Train};

fn backend_ai() -> Product {
    Catalogue::bundled().product("backend.ai").unwrap().clone()
}

fn laid(text: &str) -> Result<Catalogue, Diagnostics> {
    Catalogue::extended(&[Source::new("releases.yaml", text)])
}

fn wrong(text: &str) -> String {
    laid(text).unwrap_err().to_string()
}

#[test]
fn the_bundled_catalogue_knows_backend_ai() {
    let product = backend_ai();
    assert_eq!(product.trains.first().unwrap().train, Train::two(20, 3));
    assert_eq!(product.trains.last().unwrap().train, Train::two(26, 9));
    assert!(product.trains.is_sorted_by_key(|known| known.train));
    let lts: Vec<Train> = product.trains.iter().filter(|known| known.lts).map(|known| known.train).collect();
    assert_eq!(lts, [Train::two(26, 4)]);
    assert!(product.train(Train::two(26, 5)).is_none());
    assert_eq!(product.migrations_of("backend_ai_manager"), Some("ai/backend/manager/models/alembic"));
    assert_eq!(product.work.as_ref().unwrap().terminal, ["TERMINATED", "CANCELLED", "ERROR"]);
    let broken = |package, release| product.broken(package, &Release::parse(release).unwrap()).is_some();
    assert!(broken(Some("backend.ai-manager"), "24.09.14") && broken(None, "24.9.14"));
    assert!(!broken(Some("backend.ai-agent"), "24.9.14") && broken(Some("backend.ai-agent"), "24.12.0"));
}

#[test]
fn every_hop_of_the_bundled_catalogue_joins_known_trains() {
    let product = backend_ai();
    for hop in &product.hops {
        assert!(product.train(hop.from).is_some() && product.train(hop.to).is_some(), "{} to {}", hop.from, hop.to);
    }
}

#[test]
fn a_hop_that_passes_trains_over_needs_the_steps_of_all_of_them() {
    let product = backend_ai();
    let steps = |from, to| -> Vec<String> {
        product.hops_within(from, to).flat_map(|hop| &hop.steps).map(|step| step.id.clone()).collect()
    };
    assert_eq!(steps(Train::two(24, 9), Train::two(25, 2)), ["etcd-overlay-network"]);
    assert_eq!(steps(Train::two(25, 19), Train::two(26, 2)), ["service-discovery"]);
    assert_eq!(steps(Train::two(26, 4), Train::two(26, 9)), ["agent-resource-group"]);
    assert_eq!(product.hop(Train::two(24, 3), Train::two(24, 9)).unwrap().steps[0].id, "postgresql-16");
}

#[test]
fn the_agent_s_signal_is_a_risk_of_the_release_that_is_left() {
    let product = backend_ai();
    let risky = |text| product.risks_of_leaving(&Release::parse(text).unwrap()).count() == 1;
    for text in ["23.9.10", "24.9.11", "25.1.1", "25.6.11", "25.7.0", "25.10.1"] {
        assert!(risky(text), "{text}");
    }
    for text in ["24.9.13", "25.6.12", "25.11.0", "26.4.0"] {
        assert!(!risky(text), "{text}");
    }
}

#[test]
fn change_logs_are_found_by_the_product_s_own_spelling() {
    let product = backend_ai();
    let url = |text| product.change_log_of(&Release::parse(text).unwrap()).unwrap();
    assert_eq!(url("24.9.14"), "https://github.com/lablup/backend.ai/releases/tag/24.09.14");
    assert_eq!(url("25.6.5"), "https://github.com/lablup/backend.ai/releases/tag/25.6.5");
    assert_eq!(url("v24.09.0rc1"), "https://github.com/lablup/backend.ai/releases/tag/24.09.0rc1");
    assert!(url("99.1.0").ends_with("/99.1.0"));
}

#[test]
fn packages_have_one_product() {
    let catalogue = laid("products: {shop: {main-package: shop-api, packages: ['shop-*', backend.ai-shop]}}").unwrap();
    let of = |package| catalogue.product_of(package).map(|product| product.name.as_str());
    assert_eq!(of("Backend_AI.Manager"), Some("backend.ai"));
    assert_eq!(of("backend.ai-krunner-static-gnu"), None);
    assert_eq!((of("shop-web"), of("shop"), of("backend-ai-shop")), (Some("shop"), None, Some("shop")));
    assert_eq!(catalogue.products().count(), 2);
    let twice = "products: {shop: {main-package: Backend.AI_Manager}}";
    assert!(wrong(twice).contains("both backend.ai and shop claim the package Backend.AI_Manager"), "{}", wrong(twice));
}

#[test]
fn a_project_replaces_adds_and_removes_key_by_key() {
    let text = "\
products:
  backend.ai:
    trains:
      - {train: '25.1', stop-gap: yes, source: us}
      - {train: '27.1', source: us}
      - {train: '20.03', remove: true}
    broken:
      - {release: 24.9.13, remove: true}
      - {release: 26.9.5, reason: our plugin fails, source: us}
    hops:
      - {from: '24.03', to: '24.09', steps: [{id: ours, text: call us, source: us}]}
    risks:
      - {id: agent-sigterm, remove: yes}
";
    let (before, catalogue) = (backend_ai(), laid(text).unwrap());
    let product = catalogue.product("backend.ai").unwrap();
    assert_eq!(product.trains.len(), before.trains.len());
    assert_eq!(product.trains[0].train, Train::two(20, 9));
    let changed = product.train(Train::two(25, 1)).unwrap();
    assert!(changed.stop_gap && changed.python.is_none() && changed.source == "us");
    assert_eq!(product.trains.last().unwrap().written, "27.1");
    assert_eq!(product.broken.len(), before.broken.len());
    assert!(product.broken(None, &Release::parse("24.9.13").unwrap()).is_none());
    let hop = product.hop(Train::two(24, 3), Train::two(24, 9)).unwrap();
    assert_eq!((hop.steps.len(), hop.steps[0].id.as_str(), hop.risks.len()), (1, "ours", 0));
    assert!(product.risks.is_empty());
    // What isn't said stays.
    assert_eq!((&product.main_package, &product.work), (&before.main_package, &before.work));
    assert_eq!(product.hops.len(), before.hops.len());
    assert!(laid("products: {backend.ai: {remove: true}}").unwrap().product("backend.ai").is_none());
    assert_eq!(laid("").unwrap(), Catalogue::bundled());
}

#[test]
fn deviations_are_laid_by_revision_and_thing() {
    let known = backend_ai().deviations;
    assert!(known.iter().any(|one| one.thing == "column endpoints.scaling_group" && !one.source.is_empty()));
    let laid = laid(
        "products:\n  backend.ai:\n    deviations:\n      \
         - {revision: 85984c98b90f, thing: column endpoints.scaling_group, remove: true}\n      \
         - {revision: a1, thing: index ix_own, reason: ours, source: ours}\n",
    )
    .unwrap();
    let laid = &laid.product("backend.ai").unwrap().deviations;
    assert_eq!(laid.len(), known.len());
    assert!(laid.iter().any(|one| one.revision == "a1") && !laid.iter().any(|one| one.revision == "85984c98b90f"));
    let mistake = wrong("products: {backend.ai: {deviations: [{revision: a1, thing: ix_own, reason: r, source: s}]}}");
    assert!(mistake.contains("a thing as `converge schema check` writes it"), "{mistake}");
}

#[test]
fn texts_are_laid_one_over_the_other_and_all_their_mistakes_come_at_once() {
    let first = Source::new("a.yaml", "products: {shop: {main-package: shop, scheme: semver}}");
    let second = Source::new("b.yaml", "products: {shop: {trains: [{train: 2, source: us}]}}");
    let catalogue = Catalogue::extended(&[first.clone(), second]).unwrap();
    let shop = catalogue.product("shop").unwrap();
    assert_eq!((shop.scheme, shop.trains[0].train), (Scheme::SemVer, Train::one(2)));
    let [bad, worse] = ["products: {shop: {trains: [{train: 2.1, source: us}]}}", "product: {}"];
    let shown = Catalogue::extended(&[first, Source::new("b.yaml", bad), Source::new("c.yaml", worse)]).unwrap_err();
    let shown = shown.to_string();
    assert!(shown.contains("b.yaml:1:36: a release must be quoted"), "{shown}");
    assert!(shown.contains("c.yaml:1:1: releases lacks `products`"), "{shown}");
}

#[test]
fn unknown_conditions_are_refused_and_known_ones_read_well() {
    let text = "products: {backend.ai: {hops: [{from: '26.8', to: '26.9', steps: [{id: x, text: t, source: s, when: [\
                {package: backend.ai-agent}, {python-below: '3.13'}, {postgresql-below: 16}, {distribution: cuda}, \
                {file: ~/agent.toml}]}]}]}}";
    let catalogue = laid(text).unwrap();
    let hop = catalogue.product("backend.ai").unwrap().hop(Train::two(26, 8), Train::two(26, 9)).unwrap();
    let words: Vec<String> = hop.steps[0].when.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "backend.ai-agent is part of the cluster",
            "Python is older than 3.13",
            "PostgreSQL is older than 16",
            "cuda is installed",
            "~/agent.toml is there"
        ]
    );
    assert_eq!(serde_json::to_string(&hop.steps[0].when[1]).unwrap(), r#"{"python-below":"3.13"}"#);
    for bad in ["{pakage: x}", "{package: backend.ai-x}", "{}", "{postgresql-below: 16, distribution: x}", "{file: x}"]
    {
        let text = format!(
            "products: {{backend.ai: {{hops: [{{from: '26.8', to: '26.9', steps: [{{id: x, text: t, source: s, when: [{bad}]}}]}}]}}}}"
        );
        assert!(wrong(&text).starts_with("releases.yaml:1:"), "{bad}: {}", wrong(&text));
    }
}

#[test]
fn a_name_stands_once_among_the_steps_and_risks_of_a_hop() {
    let text = "products: {backend.ai: {hops: [{from: '26.8', to: '26.9', steps: [{id: x, text: t, source: s}], \
                risks: [{id: x, text: t, source: s}]}]}}";
    assert!(wrong(text).contains("the name `x` stands twice among the steps and risks of a hop"), "{}", wrong(text));
}

#[test]
fn a_bar_may_hold_for_some_releases_of_the_train_only() {
    let product = backend_ai();
    let unusable = |from, to| product.hop(from, to).unwrap().unusable.clone().unwrap();
    assert!(unusable(Train::two(24, 9), Train::two(25, 1)).to.is_none());
    let partly = unusable(Train::two(22, 9), Train::two(23, 3)).to.unwrap();
    let barred = |text| partly.contains(&Release::parse(text).unwrap());
    assert!(barred("23.3.2") && !barred("23.3.3"));
}
