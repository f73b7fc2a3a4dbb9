//! Paths over what PyPI really had of backend.ai-manager on 2026-11-23 (tests/cases/releases/backend.ai-manager.json),
//! with the bundled catalogue.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use converge::release::{
    Catalogue, Hop, HopKind, NoPath, Obstacle, PathRequest, Product, PublishedRelease, Release, ReleaseRange,
    TargetError, Train, UpgradePath, WhyAvoided, WhyPassedOver, find_path, last_patch, resolve_target, successor,
};
use proptest::prelude::*;
use rstest::rstest;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::bundled);
static PUBLISHED: LazyLock<Vec<PublishedRelease>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/releases/backend.ai-manager.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
});

fn product() -> &'static Product {
    CATALOGUE.product("backend.ai").unwrap()
}

fn release(text: &str) -> Release {
    Release::parse(text).unwrap()
}

fn path_in(published: &[PublishedRelease], from: &str, to: &str) -> Result<UpgradePath, Box<NoPath>> {
    let (from, to) = (release(from), release(to));
    find_path(&PathRequest { product: Some(product()), package: None, from: &from, to: &to, published })
}

fn path(from: &str, to: &str) -> Result<UpgradePath, Box<NoPath>> {
    path_in(&PUBLISHED, from, to)
}

fn stops(path: &UpgradePath) -> Vec<String> {
    path.hops.iter().map(|hop| hop.to.normalized()).collect()
}

fn passed_over(path: &UpgradePath) -> Vec<String> {
    path.passed_over.iter().map(|one| one.train.to_string()).collect()
}

// The upgrade document's own examples.

#[test]
fn the_document_allows_23_09_10_to_24_03_0() {
    let path = path("23.09.10", "24.03.0").unwrap();
    let expected = Hop { from: release("23.9.10"), to: release("24.3.0"), kind: HopKind::Major, required_stop: true };
    assert_eq!(path.hops, [expected]);
}

#[test]
fn the_document_does_not_allow_23_09_9_to_24_03_0_directly() {
    // 23.9.9 was never published as a final release, and is a fine start all the same.
    let path = path("23.09.9", "24.03.0").unwrap();
    assert_eq!(stops(&path), ["23.9.10", "24.3.0"]);
    assert_eq!(path.hops.iter().map(|hop| hop.kind).collect::<Vec<_>>(), [HopKind::Patch, HopKind::Major]);
    assert!(path.hops[0].required_stop);
}

#[test]
fn the_document_does_not_allow_23_03_0_to_24_03_0_directly() {
    let path = path("23.03.0", "24.03.0").unwrap();
    let stops = stops(&path);
    assert_eq!(stops[..2], ["23.3.2", "23.3.3"]);
    assert_eq!(stops[10..14], ["23.3.12", "23.9.0", "23.9.1", "23.9.2"]);
    assert_eq!(stops[stops.len() - 2..], ["23.9.10", "24.3.0"]);
    // 23.3.1 and 23.9.4 are withdrawn.
    let avoided: Vec<String> = path.avoided.iter().map(|one| one.release.normalized()).collect();
    assert_eq!(avoided, ["23.3.1", "23.9.4"]);
    assert!(matches!(&path.avoided[0].because, WhyAvoided::Yanked { reason } if reason == "lablup/backend.ai#1261"));
}

// Trains that are passed over.

#[rstest]
#[case("24.9.13", "25.2.0", &["24.12", "25.1"], &["25.2.0"])]
#[case("24.9.5", "25.2.0", &["24.12", "25.1"], &["24.9.6", "25.2.0"])]
#[case("25.19.2", "26.2.0", &["26.1"], &["26.2.0"])]
#[case("25.1.1", "25.2.0", &[], &["25.2.0"])]
#[case("26.4.16", "26.9.0", &["26.7", "26.8"], &["26.9.0"])]
#[case("26.7.0", "26.8.1", &[], &["26.8.0", "26.8.1"])]
fn trains_are_passed_over_with_a_reason(
    #[case] from: &str,
    #[case] to: &str,
    #[case] trains: &[&str],
    #[case] expected: &[&str],
) {
    let path = path(from, to).unwrap();
    assert_eq!(passed_over(&path), trains);
    assert_eq!(stops(&path), expected);
    for one in &path.passed_over {
        assert!(one.because.to_string().len() > 20, "{}", one.because);
    }
}

#[rstest]
#[case("20.9.29", "21.3.4", &["21.3.3", "21.3.4"], 3)]
#[case("20.9.29", "21.3.3", &["21.3.3"], 3)]
#[case("22.9.21", "23.3.4", &["22.9.22", "22.9.23", "23.3.3", "23.3.4"], 3)]
fn a_train_may_have_to_be_entered_by_a_later_patch(
    #[case] from: &str,
    #[case] to: &str,
    #[case] expected: &[&str],
    #[case] avoided: usize,
) {
    let path = path(from, to).unwrap();
    assert_eq!((stops(&path), path.avoided.len()), (expected.iter().map(ToString::to_string).collect(), avoided));
}

#[test]
fn a_target_by_which_its_train_cant_be_entered_is_refused() {
    let refusal = path("22.9.23", "23.3.2").unwrap_err();
    assert!(matches!(&refusal.obstacle, Obstacle::CantBeEntered { at, .. } if *at == release("22.9.23")));
    assert_eq!(refusal.nearest.all(), [&release("23.3.3"), &release("23.3.12")]);
    assert_eq!(stops(&path("23.3.0", "23.3.2").unwrap()), ["23.3.2"]);
    // Where the source has only those, the others must be brought: the train isn't passed over.
    let few: Vec<PublishedRelease> = PUBLISHED
        .iter()
        .filter(|one| one.release.train() != Train::two(23, 3) || one.release < release("23.3.3"))
        .cloned()
        .collect();
    let refusal = path_in(&few, "22.9.23", "23.9.0").unwrap_err();
    assert!(matches!(&refusal.obstacle, Obstacle::CantBeEntered { train, .. } if *train == Train::two(23, 3)));
}

#[test]
fn what_is_broken_for_the_manager_is_no_stop() {
    let path = path("24.9.5", "25.2.0").unwrap();
    let avoided: Vec<String> = path.avoided.iter().map(|one| one.release.normalized()).collect();
    assert_eq!(avoided, ["24.9.7", "24.9.13", "24.9.14"]);
    assert!(
        matches!(&path.avoided[2].because, WhyAvoided::Broken { source, .. } if source.contains("24.9.14")),
        "{:?}",
        path.avoided
    );
    assert!(
        matches!(&path.passed_over[1].because, WhyPassedOver::CantBeEntered { from, .. } if *from == release("24.9.6"))
    );
    assert_eq!(last_patch(Some(product()), &PUBLISHED, Train::two(24, 9)), Some(release("24.9.6")));
}

#[test]
fn a_train_without_usable_releases_is_passed_over_also_where_its_source_lacks_it() {
    let without: Vec<PublishedRelease> = PUBLISHED
        .iter()
        .filter(|one| ![Train::two(24, 12), Train::two(26, 1)].contains(&one.release.train()))
        .cloned()
        .collect();
    let path = path_in(&without, "25.19.2", "26.2.0").unwrap();
    assert!(matches!(&path.passed_over[0].because, WhyPassedOver::Empty { source, .. } if source.contains("8457")));
    // From before 24.9.6 on, 24.12 could be entered, had it anything usable.
    let old: Vec<PublishedRelease> = without.into_iter().filter(|one| one.release != release("24.9.6")).collect();
    let path = path_in(&old, "24.9.5", "25.2.0").unwrap();
    assert_eq!(passed_over(&path), ["24.12"]);
    assert_eq!(stops(&path), ["25.1.1", "25.2.0"]);
}

#[test]
fn a_known_train_that_the_source_lacks_must_be_brought() {
    let without: Vec<PublishedRelease> =
        PUBLISHED.iter().filter(|one| one.release.train() != Train::two(24, 3)).cloned().collect();
    let refusal = path_in(&without, "23.9.8", "24.9.0").unwrap_err();
    assert!(matches!(&refusal.obstacle, Obstacle::TrainNotPublished { train, .. } if *train == Train::two(24, 3)));
    assert_eq!(refusal.nearest.below, Some(release("23.9.10")));
    assert_eq!(refusal.nearest.above, None);
    assert!(refusal.to_string().contains("leads through 24.3, and nothing of it is published"), "{refusal}");
    assert_eq!(successor(Some(product()), &without, &release("23.9.10")).unwrap_err().code(), "train-not-published");
}

#[rstest]
#[case("23.9.10", Some((24, 3)), 0)]
#[case("24.9.6", Some((25, 2)), 2)]
#[case("24.9.5", Some((25, 1)), 1)]
#[case("26.4.16", Some((26, 9)), 2)]
#[case("26.9.6", None, 0)]
fn the_successor_is_the_next_train_that_must_not_be_skipped(
    #[case] at: &str,
    #[case] train: Option<(u64, u64)>,
    #[case] passed_over: usize,
) {
    let next = successor(Some(product()), &PUBLISHED, &release(at)).unwrap();
    assert_eq!(next.train, train.map(|(x, y)| Train::two(x, y)));
    assert_eq!(next.passed_over.len(), passed_over);
}

// Refusals.

#[test]
fn refusals_name_what_is_wrong_and_what_can_be_reached() {
    let downgrade = path("23.9.10", "23.9.8").unwrap_err();
    assert_eq!((downgrade.obstacle.code(), &downgrade.nearest.below), ("downgrade", &None));

    let unpublished = path("23.9.8", "23.9.9").unwrap_err();
    let Obstacle::NotPublished { newest, neighbours } = &unpublished.obstacle else { panic!("{unpublished}") };
    assert_eq!(newest, &Some(release("23.9.10")));
    assert_eq!(neighbours, &[release("23.9.8"), release("23.9.10")]);
    assert_eq!(unpublished.nearest.above, Some(release("23.9.10")));

    let yanked = path("23.9.3", "23.9.4").unwrap_err();
    assert!(matches!(&yanked.obstacle, Obstacle::Yanked { reason } if reason.contains("static webui")));
    assert_eq!(yanked.nearest.of_train, Some(release("23.9.10")));

    let broken = path("24.9.6", "24.9.14").unwrap_err();
    assert!(matches!(&broken.obstacle, Obstacle::Broken { packages, .. } if packages == &["backend.ai-manager"]));
    assert_eq!((&broken.nearest.below, &broken.nearest.above), (&None, &Some(release("25.2.0"))));

    let closed = path("24.9.3", "25.1.1").unwrap_err();
    assert!(matches!(&closed.obstacle, Obstacle::CantBeEntered { at, .. } if *at == release("24.9.6")));
    assert_eq!(closed.nearest.all(), [&release("24.9.6"), &release("25.2.0")]);
    assert!(closed.to_string().contains("ecc9f6322be4"), "{closed}");

    let epoch = path("24.9.3", "1!25.1.1").unwrap_err();
    assert_eq!(epoch.obstacle.code(), "other-epoch");
}

#[test]
fn a_release_that_is_broken_for_another_package_is_a_target_of_its_own() {
    let (from, to) = (release("24.9.5"), release("24.9.14"));
    let request =
        |package| PathRequest { product: Some(product()), package, from: &from, to: &to, published: &PUBLISHED };
    assert_eq!(find_path(&request(Some("backend.ai-manager"))).unwrap_err().obstacle.code(), "broken");
    assert_eq!(find_path(&request(Some("backend_ai_manager"))).unwrap_err().obstacle.code(), "broken");
    assert_eq!(stops(&find_path(&request(Some("backend.ai-agent"))).unwrap()), ["24.9.6", "24.9.14"]);
}

#[test]
fn a_path_starts_from_whatever_is_installed() {
    assert_eq!(stops(&path("24.9.14", "25.2.0").unwrap()), ["25.2.0"]);
    assert_eq!(stops(&path("23.9.4", "23.9.6").unwrap()), ["23.9.5", "23.9.6"]);
    assert_eq!(stops(&path("23.9.10rc6", "23.9.10").unwrap()), ["23.9.10"]);
    assert_eq!(stops(&path("22.6.0b4", "22.9.1").unwrap()), ["22.9.0", "22.9.1"]);
}

#[test]
fn a_pre_release_is_taken_only_as_the_target() {
    assert_eq!(stops(&path("26.8.3", "26.9.0rc3").unwrap()), ["26.9.0rc3"]);
    assert_eq!(stops(&path("26.8.3", "26.9.1").unwrap()), ["26.9.0", "26.9.1"]);
}

// Targets by name.

#[rstest]
#[case("latest-patch", "23.9.3", "23.9.10")]
#[case("latest-patch", "24.9.14", "24.9.14")]
#[case("24.09", "23.9.3", "24.9.6")]
#[case("24.09", "24.9.14", "24.9.14")]
#[case("26.9", "23.9.3", "26.9.6")]
#[case("24.09.14", "23.9.3", "24.9.14")]
fn targets_have_names(#[case] text: &str, #[case] from: &str, #[case] expected: &str) {
    let found = resolve_target(text, Some(product()), &release(from), &PUBLISHED).unwrap();
    assert_eq!(found, release(expected));
}

#[test]
fn what_names_no_target_says_so() {
    let target = |text| resolve_target(text, Some(product()), &release("23.9.3"), &PUBLISHED).unwrap_err();
    assert!(matches!(target("newest"), TargetError::NotARelease(_)));
    let nothing = target("24.12");
    assert_eq!(
        nothing.to_string(),
        "no release of 24.12 that can be used is published where the packages come from; the newest of all is 26.9.6"
    );
}

// What holds for every pair of releases.

fn finals() -> Vec<Release> {
    PUBLISHED.iter().map(|one| one.release.clone()).filter(Release::is_final).collect()
}

fn is_usable(one: &PublishedRelease) -> bool {
    one.release.is_final() && one.yanked.is_none() && product().broken(None, &one.release).is_none()
}

/// Written apart from the code under test: what must be true of every path.
fn assert_sound(path: &UpgradePath) -> Result<(), TestCaseError> {
    let mut at = path.from.clone();
    for (index, hop) in path.hops.iter().enumerate() {
        prop_assert_eq!(&hop.from, &at);
        prop_assert!(hop.to > at, "never a downgrade");
        let entry = PUBLISHED.iter().find(|one| one.release == hop.to).unwrap();
        prop_assert!(is_usable(entry) || hop.to == path.to, "{}", hop.to);
        prop_assert_eq!(hop.kind == HopKind::Major, hop.to.train() != at.train());
        let next_leaves = path.hops.get(index + 1).is_none_or(|next| next.kind == HopKind::Major);
        prop_assert_eq!(hop.required_stop, next_leaves);
        at = hop.to.clone();
    }
    prop_assert_eq!(&at, &path.to);
    let taken: BTreeSet<&Release> = path.hops.iter().map(|hop| &hop.to).collect();
    let avoided: BTreeSet<&Release> = path.avoided.iter().map(|one| &one.release).collect();
    let passed: BTreeSet<Train> = path.passed_over.iter().map(|one| one.train).collect();
    for one in
        PUBLISHED.iter().filter(|one| one.release > path.from && one.release <= path.to && one.release.is_final())
    {
        let explained = passed.contains(&one.release.train()) || avoided.contains(&one.release);
        prop_assert!(taken.contains(&one.release) != explained, "{} is neither taken nor explained", one.release);
    }
    // A train with usable releases is passed over only where it can't be entered.
    for one in &path.passed_over {
        let usable = PUBLISHED.iter().any(|entry| entry.release.train() == one.train && is_usable(entry));
        prop_assert!(!usable || matches!(one.because, WhyPassedOver::CantBeEntered { .. }), "{}", one.train);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn paths_are_sound_and_their_tails_are_paths(pick in any::<(prop::sample::Index, prop::sample::Index)>()) {
        let finals = finals();
        let (from, to) = (pick.0.get(&finals), pick.1.get(&finals));
        let request = |from, to| PathRequest { product: Some(product()), package: None, from, to, published: &PUBLISHED };
        match find_path(&request(from, to)) {
            Ok(path) => {
                assert_sound(&path)?;
                prop_assert_eq!(path.hops.is_empty(), from == to);
                for (index, hop) in path.hops.iter().enumerate() {
                    let tail = find_path(&request(&hop.to, to)).unwrap();
                    prop_assert_eq!(&tail.hops[..], &path.hops[index + 1..]);
                }
            }
            Err(refusal) => {
                prop_assert!(
                    to < from || matches!(
                        refusal.obstacle,
                        Obstacle::Yanked { .. } | Obstacle::Broken { .. } | Obstacle::CantBeEntered { .. }
                    ),
                    "{}", refusal
                );
                for target in refusal.nearest.all() {
                    prop_assert!(target > from);
                    assert_sound(&find_path(&request(from, target)).unwrap())?;
                }
            }
        }
    }

    #[test]
    fn a_path_to_itself_is_empty(pick in any::<prop::sample::Index>()) {
        let from = &pick.get(&PUBLISHED).release;
        let request = PathRequest { product: Some(product()), package: None, from, to: from, published: &PUBLISHED };
        prop_assert!(find_path(&request).unwrap().hops.is_empty());
    }

    /// The source may lack anything: there is a sound refusal or a path that takes all that is there.
    #[test]
    fn a_source_with_holes_never_makes_a_path_skip(
        holes in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        pick in any::<(prop::sample::Index, prop::sample::Index)>()
    ) {
        let finals = finals();
        let gone: BTreeSet<&Release> = holes.iter().map(|hole| hole.get(&finals)).collect();
        let left: Vec<PublishedRelease> = PUBLISHED.iter().filter(|one| !gone.contains(&one.release)).cloned().collect();
        let (from, to) = (pick.0.get(&finals), pick.1.get(&finals));
        let request = PathRequest { product: Some(product()), package: None, from, to, published: &left };
        if let Ok(path) = find_path(&request) {
            let passed: BTreeSet<Train> = path.passed_over.iter().map(|one| one.train).collect();
            let taken: BTreeSet<&Release> = path.hops.iter().map(|hop| &hop.to).collect();
            for one in left.iter().filter(|one| one.release > *from && one.release < *to && is_usable(one)) {
                let barred = path.avoided.iter().any(|avoided| {
                    avoided.release == one.release && matches!(avoided.because, WhyAvoided::CantBeEntered { .. })
                });
                prop_assert!(taken.contains(&one.release) || passed.contains(&one.release.train()) || barred);
            }
            for known in product().trains.iter().filter(|known| known.train > from.train() && known.train < to.train()) {
                let entered = path.hops.iter().any(|hop| hop.to.train() == known.train);
                prop_assert!(entered || passed.contains(&known.train), "{} is left out in silence", known.train);
            }
        }
    }
}

// The bundled catalogue against what was really published.

#[test]
fn the_bundled_trains_are_the_published_ones() {
    let first = Train::two(20, 3);
    let published: BTreeSet<Train> = finals().iter().map(Release::train).filter(|train| *train >= first).collect();
    let known: BTreeSet<Train> = product().trains.iter().map(|known| known.train).collect();
    assert_eq!(known, published);
}

#[test]
fn the_bundled_pythons_are_those_of_the_newest_release_of_each_train() {
    for known in &product().trains {
        let newest =
            PUBLISHED.iter().rfind(|one| one.release.is_final() && one.release.train() == known.train).unwrap();
        let (ours, theirs) = (known.python.as_deref().unwrap(), newest.requires_python.as_deref().unwrap());
        // 22.03 pins 3.10.x in some releases, and leaves the upper bound out in its last ones.
        let theirs = if known.train == Train::two(22, 3) { ">=3.10,<3.11" } else { theirs };
        let range = |text| ReleaseRange::parse(text).unwrap();
        assert!(range(ours).has_bounds_of(&range(theirs)), "{}: {ours}, published {theirs}", known.train);
    }
}

#[test]
fn the_longest_path_goes_through_every_train_that_can_be_entered() {
    let path = path("20.3.1", "26.9.6").unwrap();
    let entered = path.hops.iter().filter(|hop| hop.kind == HopKind::Major).map(|hop| hop.to.train().to_string());
    let entered: Vec<String> = entered.collect();
    assert_eq!(
        entered.join(" "),
        "20.9 21.3 21.9 22.3 22.9 23.3 23.9 24.3 24.9 25.2 25.3 25.4 25.5 25.6 25.7 25.8 25.9 25.10 25.11 25.12 25.13 \
         25.14 25.15 25.16 25.17 25.18 25.19 26.2 26.3 26.4 26.9"
    );
    assert_eq!(passed_over(&path), ["24.12", "25.1", "26.1", "26.7", "26.8"]);
}
