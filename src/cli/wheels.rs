//! What the packages on the way hold: asked of as few hosts as possible, and kept.
//!
//! A wheel is the same wherever it comes from under one name and release, as far as hosts get it from one source; so each
//! is fetched by one host of those that are to install it, and its answer shared among those whose own pip would get it
//! from the same place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::machine;
use super::published::REPRESENTATIVES;
use super::survey::gather_into;
use crate::desired::Instance;
use crate::facts::{Fact, HostFacts, MigrationsAt, Observed, Query, WheelQuery, facts_of};
use crate::gather::Fleet;
use crate::model::{Digest, HostName};
use crate::packages::{Environment, WheelCache};
use crate::release::{Catalogue, Wheel, normalize_name};
use crate::resource::component::{PlannedPath, assess, path_of, within_reach};
use crate::transport::AnyConnector;

/// What was read of wheels before: of those whose digest the hosts' own index tells.
struct Kept {
    cache: Option<WheelCache>,
}

impl Kept {
    fn of(environment: &Environment) -> Self {
        Self { cache: WheelCache::of(environment) }
    }

    fn find(&self, query: &WheelQuery, sha256: &Digest) -> Option<Wheel> {
        self.cache.as_ref()?.find(&query.package, &query.release, sha256, Some(&asked_by(query)))
    }

    fn keep(&self, query: &WheelQuery, wheel: &Wheel) {
        if let Some(cache) = &self.cache {
            cache.keep(wheel, Some(&asked_by(query)));
        }
    }
}

/// Where the migrations were looked for is part of what was read: another place gives another answer.
fn asked_by(query: &WheelQuery) -> String {
    match &query.migrations {
        MigrationsAt::Layout => "layout".to_owned(),
        MigrationsAt::Directory(directory) => format!("directory {directory}"),
        MigrationsAt::Ini(ini) => format!("script_location of {ini}"),
    }
}

/// Equal where two hosts would get the same file: what is asked, and where it would come from.
type Same = (String, String, Vec<String>, String);

/// Who asks for what, and the digest of the wheel as its index tells it.
type Member = (HostName, WheelQuery, Option<Digest>);

/// Adds what each package on the way of `wanting` holds, where its component has a database.
pub(super) async fn add_wheels(
    fleet: &Arc<Fleet<AnyConnector>>,
    wanting: &[&Instance],
    catalogue: &Catalogue,
    facts: &mut BTreeMap<HostName, HostFacts>,
) {
    let groups = group(wanting, catalogue, facts);
    let kept = Kept::of(&machine::environment());
    for members in groups.values() {
        if let Some((host, query, wheel)) = known_before(members, &kept)
            && let Some(facts) = facts.get_mut(host)
        {
            facts.answers.insert(Query::Wheel(query.clone()), Fact::Wheel(Observed::Known(wheel)));
        }
    }
    let missing: Vec<&Vec<Member>> = groups.values().filter(|members| answer_in(members, facts).is_none()).collect();
    ask_in_turn(fleet, &missing, facts).await;
    for members in missing {
        if let Some(wheel) = answer_in(members, facts) {
            // Only what the index vouches for is taken for the same again.
            let vouched = members.iter().find(|(_, _, sha256)| sha256.as_ref() == Some(&wheel.sha256));
            if let Some((_, query, _)) = vouched {
                kept.keep(query, &wheel);
            }
        }
    }
    for members in groups.values() {
        let Some(wheel) = answer_in(members, facts) else { continue };
        for (host, query, _) in members {
            if let Some(known) = facts.get_mut(host) {
                known.answers.insert(Query::Wheel(query.clone()), Fact::Wheel(Observed::Known(wheel.clone())));
            }
        }
    }
}

/// Every wheel on the way of `wanting`, with all that would get the same file.
fn group(
    wanting: &[&Instance],
    catalogue: &Catalogue,
    facts: &BTreeMap<HostName, HostFacts>,
) -> BTreeMap<Same, Vec<Member>> {
    let mut groups: BTreeMap<Same, Vec<Member>> = BTreeMap::new();
    for instance in wanting {
        let seen = facts_of(facts, &instance.host);
        let assessment = assess(&instance.component, &seen);
        let PlannedPath::Hops(hops) = path_of(&instance.component, &assessment, &seen, catalogue) else { continue };
        let published = seen.published(&instance.component.published_query());
        let source = match seen.package_source(&instance.component.package_source_query()) {
            Observed::Known(source) if !source.local && !instance.component.published_query().names_local_place() => {
                source.digest.clone()
            }
            // What comes from a directory of its own is that host's alone.
            Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => instance.host.to_string(),
        };
        for query in within_reach(&hops).iter().filter_map(|hop| instance.component.wheel_query(&hop.to)) {
            let release = published.known().and_then(|published| published.release(&query.release));
            let sha256 = release.and_then(|release| release.sha256.clone());
            let same =
                (normalize_name(&query.package), query.release.normalized(), query.index_args.clone(), source.clone());
            groups.entry(same).or_default().push((instance.host.clone(), query, sha256));
        }
    }
    groups
}

/// What was read of it before.
fn known_before<'m>(members: &'m [Member], kept: &Kept) -> Option<(&'m HostName, &'m WheelQuery, Wheel)> {
    members.iter().find_map(|(host, query, sha256)| Some((host, query, kept.find(query, sha256.as_ref()?)?)))
}

/// Asks one host of each group, all side by side, and the next one where that failed.
async fn ask_in_turn(
    fleet: &Arc<Fleet<AnyConnector>>,
    groups: &[&Vec<Member>],
    facts: &mut BTreeMap<HostName, HostFacts>,
) {
    for turn in 0..REPRESENTATIVES {
        let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
        for (number, members) in groups.iter().enumerate().filter(|(_, members)| answer_in(members, facts).is_none()) {
            // Hosts of one kind share the work: each fetches some of the releases.
            let member = (turn < members.len()).then(|| members.get((turn + number) % members.len())).flatten();
            if let Some((host, query, _)) = member {
                questions.entry(host.clone()).or_default().push(Query::Wheel(query.clone()));
            }
        }
        if questions.is_empty() {
            break;
        }
        gather_into(fleet, facts, questions).await;
    }
}

/// What one of them has found out.
fn answer_in(members: &[Member], facts: &BTreeMap<HostName, HostFacts>) -> Option<Wheel> {
    members.iter().find_map(|(host, query, _)| facts.get(host)?.wheel(query).known().map(|wheel| (*wheel).clone()))
}
