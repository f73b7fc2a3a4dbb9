//! The patches between two releases of one train: "perform minor upgrades consecutively, version by
//! version; do not skip intermediate versions", where consecutive means among *published* releases.

use super::version::{Release, Train};

/// Why there is no legal way from one release to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRefusal {
    /// The target is older than what runs. Going back is never done by accident.
    Downgrade,
    /// The target belongs to another train: a major upgrade, which is never done as a patch.
    OtherTrain {
        /// The train of the installed release.
        from: Train,
        /// The train of the target.
        to: Train,
        /// The newest published patch of the installed train, where it is newer than what is installed.
        latest_patch: Option<Release>,
    },
    /// The target isn't published where the host gets its packages.
    NotPublished {
        /// The newest published patch of the same train, if there is any.
        newest: Option<Release>,
    },
}

/// Lists the hops from `from` (exclusive) to `to` (inclusive), in order.
///
/// Pre-, post- and development releases are never taken unless `to` itself is one. A path to itself
/// is empty, whether or not the release is still published.
///
/// # Errors
/// When the target is older, of another train, or not among `published`.
pub fn patch_path(from: &Release, to: &Release, published: &[Release]) -> Result<Vec<Release>, PathRefusal> {
    if from == to {
        return Ok(Vec::new());
    }
    if to < from {
        return Err(PathRefusal::Downgrade);
    }
    let newest_of = |train: Train| published.iter().filter(|r| r.is_final() && r.train() == train).max().cloned();
    if from.train() != to.train() {
        return Err(PathRefusal::OtherTrain {
            from: from.train(),
            to: to.train(),
            latest_patch: newest_of(from.train()).filter(|latest| latest > from),
        });
    }
    if !published.contains(to) {
        return Err(PathRefusal::NotPublished { newest: newest_of(to.train()) });
    }
    let mut hops: Vec<Release> =
        published.iter().filter(|r| r.is_final() && *r > from && *r < to).cloned().chain([to.clone()]).collect();
    hops.sort();
    hops.dedup();
    Ok(hops)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn releases(texts: &[&str]) -> Vec<Release> {
        texts.iter().map(|text| Release::parse(text).unwrap()).collect()
    }

    fn path(from: &str, to: &str, published: &[&str]) -> Result<Vec<String>, PathRefusal> {
        patch_path(&Release::parse(from).unwrap(), &Release::parse(to).unwrap(), &releases(published))
            .map(|hops| hops.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_published_patch_is_taken_in_turn() {
        let published = ["23.9.10", "23.9.8", "23.9.9", "23.9.9rc1", "23.9.9.post1", "24.3.0"];
        assert_eq!(path("23.09.8", "23.09.10", &published).unwrap(), ["23.9.9", "23.09.10"]);
        assert_eq!(path("23.9.10", "23.09.10", &[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn gaps_in_what_is_published_are_stepped_over() {
        assert_eq!(path("25.6.1", "25.6.4", &["25.6.1", "25.6.2", "25.6.4"]).unwrap(), ["25.6.2", "25.6.4"]);
    }

    #[test]
    fn a_pre_release_is_taken_only_when_asked_for() {
        assert_eq!(path("25.6.1", "25.6.2rc1", &["25.6.2rc1", "25.6.2"]).unwrap(), ["25.6.2rc1"]);
        assert_eq!(path("25.6.1", "25.6.2", &["25.6.2rc1", "25.6.2"]).unwrap(), ["25.6.2"]);
    }

    #[test]
    fn what_is_not_a_patch_hop_is_refused() {
        assert_eq!(path("23.9.10", "23.9.9", &["23.9.9"]), Err(PathRefusal::Downgrade));
        assert_eq!(
            path("23.9.8", "23.9.11", &["23.9.10"]),
            Err(PathRefusal::NotPublished { newest: releases(&["23.9.10"]).pop() })
        );
        assert_eq!(
            path("23.9.9", "24.3.0", &["23.9.10", "24.3.0"]),
            Err(PathRefusal::OtherTrain {
                from: Train(23, 9),
                to: Train(24, 3),
                latest_patch: releases(&["23.9.10"]).pop()
            })
        );
    }

    proptest! {
        #[test]
        fn a_path_rises_skips_nothing_and_ends_at_its_target(
            patches in prop::collection::btree_set(0u32..40, 2..12), pick in any::<(prop::sample::Index, prop::sample::Index)>()
        ) {
            let published: Vec<Release> = patches.iter().map(|z| Release::parse(&format!("25.6.{z}")).unwrap()).collect();
            let (a, b) = (pick.0.index(published.len()), pick.1.index(published.len()));
            let (from, to) = (&published[a.min(b)], &published[a.max(b)]);
            let hops = patch_path(from, to, &published).unwrap();
            prop_assert!(hops.windows(2).all(|pair| pair[0] < pair[1]));
            let expected: Vec<Release> = published.iter().filter(|r| *r > from && *r <= to).cloned().collect();
            prop_assert_eq!(&hops, &expected);
            // The tail of a path is the path from its middle.
            if let Some(first) = hops.first() {
                prop_assert_eq!(&hops[1..], &patch_path(first, to, &published).unwrap()[..]);
            }
        }
    }
}
