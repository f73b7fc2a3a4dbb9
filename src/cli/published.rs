//! What is published where each host gets its packages: asked of as few hosts as possible, and once.
//!
//! Hosts whose pips have equal settings get equal answers. So each host is first asked for a digest of its settings,
//! which costs milliseconds and contacts nobody; then one host of each kind asks its index, and its answer is shared and
//! kept. A host that names a place of its own (a directory of wheels) answers for itself alone, and anew each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::access::{Access, answer_of, note, package_of};
use super::survey::gather_into;
use crate::desired::Instance;
use crate::facts::{Fact, HostFacts, Observed, PackageSource, Published, PublishedQuery, Query, facts_of};
use crate::gather::Fleet;
use crate::model::{Digest, HostName};
use crate::release::normalize_name;
use crate::transport::AnyConnector;

/// How many hosts of one kind are asked in turn: when three can't reach their index, it is the index.
pub(super) const REPRESENTATIVES: usize = 3;

/// Everything that decides what pip is told: equal sources, equal answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    package: String,
    index_args: Vec<String>,
    settings: String,
    python_series: String,
    /// The host, where the answer holds for it alone.
    host: Option<HostName>,
}

impl Source {
    fn of(instance: &Instance, query: &PublishedQuery, seen: &Observed<&PackageSource>) -> Self {
        let (settings, python_series, local) = match seen {
            Observed::Known(source) => {
                let local = source.local || query.names_local_place();
                (source.digest.clone(), source.python_series().to_owned(), local)
            }
            // Whose settings can't be read is like no other.
            Observed::Absent | Observed::Unknown(_) => (query.venv.clone(), String::new(), true),
        };
        Self {
            package: normalize_name(&query.package),
            index_args: query.index_args.clone(),
            settings,
            python_series,
            host: local.then(|| instance.host.clone()),
        }
    }

    /// Under what its answer is kept; `None` for what holds for one host alone.
    fn key(&self) -> Option<Digest> {
        let Source { package, index_args, settings, python_series, host } = self;
        let text = format!("host {:?}", (package, index_args, settings, python_series));
        host.is_none().then(|| Digest::of(text.as_bytes()))
    }
}

/// The instances of one source, and what became of asking.
struct Group<'a> {
    members: Vec<&'a Instance>,
    answer: Option<Published>,
    /// Why, of the hosts that were asked in vain.
    failed: BTreeMap<HostName, String>,
}

impl<'a> Group<'a> {
    /// The next host to ask, if there is need and the hosts asked are not yet too many.
    fn next(&self) -> Option<&'a Instance> {
        if self.answer.is_some() || self.failed.len() >= REPRESENTATIVES {
            return None;
        }
        self.members.iter().find(|member| !self.failed.contains_key(&member.host)).copied()
    }
}

/// Adds what is published to the facts of every instance in `wanting`: from the snapshot, from what was kept, or asked.
///
/// Whatever can't be found out becomes an unknown fact.
pub(super) async fn add_published(
    access: &Access,
    fleet: &Arc<Fleet<AnyConnector>>,
    wanting: &[&Instance],
    facts: &mut BTreeMap<HostName, HostFacts>,
) {
    if let Some(offline) = &access.offline {
        for instance in wanting {
            let query = instance.component.published_query();
            let known = facts_of(facts, &instance.host);
            let python = known.venv(&instance.component.venv_query()).known().map(|venv| venv.python.clone());
            let observed = match package_of(offline, &query.package) {
                Ok(package) => Observed::Known(Published { python, ..answer_of(offline, package) }),
                Err(reason) => Observed::Unknown(reason),
            };
            tell(facts, &instance.host, query, observed);
        }
        return;
    }
    ask_for_sources(fleet, wanting, facts).await;
    let mut groups = group(wanting, facts);
    for (source, group) in &mut groups {
        group.answer = source.key().and_then(|key| access.fresh(&key));
    }
    ask_in_turn(fleet, access, &mut groups).await;
    for (source, group) in groups {
        share(access, &source, group, facts);
    }
}

/// Asks the hosts where their pips get packages, without anybody else being contacted.
async fn ask_for_sources(
    fleet: &Arc<Fleet<AnyConnector>>,
    wanting: &[&Instance],
    facts: &mut BTreeMap<HostName, HostFacts>,
) {
    let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
    for instance in wanting {
        let query = Query::PackageSource(instance.component.package_source_query());
        questions.entry(instance.host.clone()).or_default().push(query);
    }
    gather_into(fleet, facts, questions).await;
}

fn group<'a>(wanting: &[&'a Instance], facts: &BTreeMap<HostName, HostFacts>) -> BTreeMap<Source, Group<'a>> {
    let mut groups: BTreeMap<Source, Group<'a>> = BTreeMap::new();
    for instance in wanting {
        let known = facts_of(facts, &instance.host);
        let seen = known.package_source(&instance.component.package_source_query());
        let source = Source::of(instance, &instance.component.published_query(), &seen);
        let empty = || Group { members: Vec::new(), answer: None, failed: BTreeMap::new() };
        groups.entry(source).or_insert_with(empty).members.push(instance);
    }
    groups
}

/// Asks one host of each group that has no answer yet, all groups side by side; then the next one where that failed.
async fn ask_in_turn(fleet: &Arc<Fleet<AnyConnector>>, access: &Access, groups: &mut BTreeMap<Source, Group<'_>>) {
    for _ in 0..REPRESENTATIVES {
        let mut questions: BTreeMap<HostName, Vec<Query>> = BTreeMap::new();
        let mut asked: Vec<(Source, HostName, PublishedQuery)> = Vec::new();
        for (source, group) in groups.iter() {
            let Some(instance) = group.next() else { continue };
            let query = instance.component.published_query();
            questions.entry(instance.host.clone()).or_default().push(Query::Published(query.clone()));
            asked.push((source.clone(), instance.host.clone(), query));
        }
        if asked.is_empty() {
            return;
        }
        let answers = fleet.gather(questions).await;
        for (source, host, query) in asked {
            let Some(group) = groups.get_mut(&source) else { continue };
            match facts_of(&answers, &host).published(&query) {
                Observed::Known(published) => {
                    if let Some(key) = source.key() {
                        access.keep(&key, &query.package, published);
                    }
                    group.answer = Some(published.clone());
                }
                Observed::Absent => drop(group.failed.insert(host, "published releases were not looked for".into())),
                Observed::Unknown(reason) => drop(group.failed.insert(host, reason)),
            }
        }
    }
}

/// Gives every member of a group its answer, for its own Python. A host that was asked in vain can't get packages, and
/// what others get is not its answer.
fn share(access: &Access, source: &Source, mut group: Group<'_>, facts: &mut BTreeMap<HostName, HostFacts>) {
    let reason = group.failed.values().next().cloned().unwrap_or_else(|| "no host could be asked".to_owned());
    if group.answer.is_none() {
        group.answer = source.key().and_then(|key| access.stale(&key, &source.package, &reason));
        if group.answer.is_some() {
            group.failed.clear();
        }
    }
    for instance in group.members {
        let query = instance.component.published_query();
        let python = {
            let known = facts_of(facts, &instance.host);
            known.package_source(&instance.component.package_source_query()).known().map(|one| one.python.clone())
        };
        let observed = match (group.failed.get(&instance.host), &group.answer) {
            (Some(reason), _) => Observed::Unknown(reason.clone()),
            (None, Some(answer)) => {
                Observed::Known(Published { python: python.or_else(|| answer.python.clone()), ..answer.clone() })
            }
            (None, None) => Observed::Unknown(format!(
                "{} hosts with the same settings of pip were asked in vain: {reason}",
                group.failed.len()
            )),
        };
        tell(facts, &instance.host, query, observed);
    }
}

/// A host that can't be asked this is not one that can't be reached: only this one fact is unknown.
fn tell(
    facts: &mut BTreeMap<HostName, HostFacts>,
    host: &HostName,
    query: PublishedQuery,
    observed: Observed<Published>,
) {
    if let Some(known) = facts.get_mut(host) {
        known.answers.insert(Query::Published(query), Fact::Published(observed));
    }
}

/// A list with the hosts that it holds for.
pub(super) struct Listing {
    pub(super) package: String,
    pub(super) hosts: BTreeSet<HostName>,
    pub(super) published: Published,
}

/// The lists of what the hosts of `wanting` get, those that are equal joined. What is unknown is said, host by host.
pub(super) fn listings(wanting: &[&Instance], facts: &BTreeMap<HostName, HostFacts>) -> Vec<Listing> {
    let mut listings: Vec<Listing> = Vec::new();
    for instance in wanting {
        let query = instance.component.published_query();
        let known = facts_of(facts, &instance.host);
        let published = match known.published(&query) {
            Observed::Known(published) => Published { python: None, ..published.clone() },
            Observed::Absent => continue,
            Observed::Unknown(reason) => {
                note(&format!("{}: what is published of {} is unknown: {reason}", instance.host, query.package));
                continue;
            }
        };
        let equal = listings
            .iter_mut()
            .find(|one| one.package == query.package && one.published.releases == published.releases);
        match equal {
            Some(listing) => drop(listing.hosts.insert(instance.host.clone())),
            None => listings.push(Listing {
                package: query.package.clone(),
                hosts: BTreeSet::from([instance.host.clone()]),
                published,
            }),
        }
    }
    listings
}
