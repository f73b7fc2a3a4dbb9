//! The finished inventory: who belongs where, and which variables that gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::sources::{Beside, InventorySources, Scope};
use super::tree::{self, RawTree};
use super::variables::{GivenVariables, Level, Variables, read_variables};
use crate::document::{Diagnostic, Diagnostics, Node, Source, Span};
use crate::model::{GroupName, HostName};

/// A group with its place in the tree.
#[derive(Debug, Clone)]
struct Group {
    first: Span,
    /// Own hosts, then those of the groups below, in Ansible's order (level by level); each once.
    hosts: Vec<HostName>,
    children: Vec<GroupName>,
    /// Longest way from `all`; deeper groups win.
    depth: usize,
    /// `ansible_group_priority`; wins among groups of one depth.
    priority: i64,
    variables: GivenVariables,
}

/// A host with the groups that it belongs to.
#[derive(Debug, Clone)]
struct Host {
    first: Span,
    /// All groups up to `all`, weakest first: by depth, priority, name.
    groups: Vec<GroupName>,
    variables: GivenVariables,
}

/// Hosts, groups and variables of one inventory.
#[derive(Debug, Clone)]
pub struct Inventory {
    source: Arc<Source>,
    order: Vec<HostName>,
    hosts: BTreeMap<HostName, Host>,
    groups: BTreeMap<GroupName, Group>,
    /// Variables of vars files: by level, then by group or host.
    files: BTreeMap<(Level, String), GivenVariables>,
}

impl Inventory {
    /// Reads an inventory.
    ///
    /// # Errors
    /// All mistakes of the inventory file and of the vars files.
    pub fn parse(sources: &InventorySources) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let files = read_files(sources, &mut mistakes);
        let document = Node::parse(&sources.inventory).map_err(|wrong| with_format_hint(&sources.inventory, &wrong));
        let Some(document) = mistakes.keep(document) else { return Err(mistakes) };
        let mut raw = tree::read(&document);
        mistakes.append(std::mem::take(&mut raw.mistakes));
        if raw.host_order.is_empty() && mistakes.is_empty() {
            mistakes.push(
                Diagnostic::at(&document.span, "the inventory holds no host").hint("all: { hosts: { host1: {} } }"),
            );
        }
        find_cycles(&raw, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self::link(sources.inventory.clone(), raw, files))
    }

    /// Puts every host under its groups and orders the groups. Expects a tree without cycles.
    fn link(source: Arc<Source>, raw: RawTree, files: BTreeMap<(Level, String), GivenVariables>) -> Self {
        let start = Span::whole(&source);
        let mut groups: BTreeMap<GroupName, Group> = BTreeMap::new();
        for (name, group) in &raw.groups {
            let children = group.children.iter().map(|(child, _)| child.clone()).collect();
            let (hosts, variables) = (group.hosts.clone(), group.variables.clone());
            let (first, priority) = (group.first.clone(), group.priority);
            groups.insert(name.clone(), Group { first, hosts, children, depth: 0, priority, variables });
        }
        let empty = || Group {
            first: start.clone(),
            hosts: Vec::new(),
            children: Vec::new(),
            depth: 0,
            priority: 1,
            variables: Vec::new(),
        };
        let (all, ungrouped) = (built_in("all"), built_in("ungrouped"));
        groups.entry(ungrouped.clone()).or_insert_with(empty);
        groups.entry(all.clone()).or_insert_with(empty);
        adopt_orphans(&mut groups, &raw, &all, &ungrouped);
        sort_out_ungrouped(&mut groups, &raw, &all, &ungrouped);
        set_depths(&mut groups, &all);
        let mut members: BTreeMap<GroupName, Vec<HostName>> = BTreeMap::new();
        for name in groups.keys() {
            members.insert(name.clone(), members_of(&groups, name));
        }
        let mut of_host: BTreeMap<HostName, Vec<GroupName>> = BTreeMap::new();
        for (name, group) in &mut groups {
            group.hosts = members.remove(name).unwrap_or_default();
            for host in &group.hosts {
                of_host.entry(host.clone()).or_default().push(name.clone());
            }
        }
        let hosts = raw.hosts.into_iter().map(|(name, host)| {
            let mut belongs = of_host.remove(&name).unwrap_or_default();
            belongs.sort_by_key(|group| groups.get(group).map(|g| (g.depth, g.priority, group.clone())));
            (name, Host { first: host.first, groups: belongs, variables: host.variables })
        });
        let hosts = hosts.collect();
        Self { source, order: raw.host_order, hosts, groups, files }
    }

    /// The inventory file.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// All hosts in the order of their first mention in the file.
    #[must_use]
    pub fn hosts(&self) -> &[HostName] {
        &self.order
    }

    /// The host of a name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&HostName> {
        self.hosts.get_key_value(name).map(|(host, _)| host)
    }

    /// Where a host is mentioned first.
    #[must_use]
    pub fn place_of_host(&self, host: &HostName) -> Option<&Span> {
        self.hosts.get(host).map(|host| &host.first)
    }

    /// Where a group is mentioned first; the start of the file for `all` and `ungrouped` that aren't mentioned.
    #[must_use]
    pub fn place_of_group(&self, group: &str) -> Option<&Span> {
        self.groups.get(group).map(|group| &group.first)
    }

    /// All groups by name, `all` and `ungrouped` among them.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.groups.keys()
    }

    /// The hosts of a group and of all groups below it, its own first, as `group[0]` counts them.
    #[must_use]
    pub fn group_hosts(&self, group: &str) -> Option<&[HostName]> {
        self.groups.get(group).map(|group| group.hosts.as_slice())
    }

    /// The groups that a host belongs to, without `all`, by name (the magic variable `group_names`).
    #[must_use]
    pub fn groups_of(&self, host: &HostName) -> Vec<GroupName> {
        let groups = self.hosts.get(host).map(|host| host.groups.as_slice()).unwrap_or_default();
        let names: BTreeSet<&GroupName> = groups.iter().filter(|group| group.as_str() != "all").collect();
        names.into_iter().cloned().collect()
    }

    /// The variables that the inventory and its vars files give a host, with what lost. Empty for an unknown host.
    #[must_use]
    pub fn variables(&self, host: &HostName) -> Variables {
        let mut variables = Variables::new();
        let Some(entry) = self.hosts.get(host) else { return variables };
        for group in entry.groups.iter().filter_map(|name| self.groups.get(name)) {
            variables.give_all(&group.variables);
        }
        for level in [Level::InventoryGroupVarsAll, Level::PlaybookGroupVarsAll] {
            self.give_file(&mut variables, level, "all");
        }
        for level in [Level::InventoryGroupVars, Level::PlaybookGroupVars] {
            entry.groups.iter().for_each(|group| self.give_file(&mut variables, level, group.as_str()));
        }
        variables.give_all(&entry.variables);
        for level in [Level::InventoryHostVars, Level::PlaybookHostVars] {
            self.give_file(&mut variables, level, host.as_str());
        }
        variables
    }

    fn give_file(&self, variables: &mut Variables, level: Level, name: &str) {
        if let Some(given) = self.files.get(&(level, name.to_owned())) {
            variables.give_all(given);
        }
    }
}

/// An INI inventory isn't valid YAML; the reason that a YAML parser gives for that helps nobody.
fn with_format_hint(source: &Source, mistakes: &Diagnostics) -> Diagnostics {
    let first = source.text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let looks_like_ini = first.is_some_and(|line| line.starts_with('[') && line.ends_with(']'));
    let hint = looks_like_ini.then(|| tree::YAML_ONLY.to_owned());
    mistakes.iter().map(|mistake| mistake.clone().maybe_hint(hint.clone())).collect()
}

/// Names that are known to be valid.
fn built_in(name: &'static str) -> GroupName {
    match GroupName::parse(name) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

fn read_files(sources: &InventorySources, mistakes: &mut Diagnostics) -> BTreeMap<(Level, String), GivenVariables> {
    let mut files: BTreeMap<(Level, String), GivenVariables> = BTreeMap::new();
    for file in &sources.vars {
        let (level, name) = match (&file.scope, file.beside) {
            (Scope::Group(name), Beside::Inventory) if name == "all" => (Level::InventoryGroupVarsAll, name),
            (Scope::Group(name), Beside::Playbook) if name == "all" => (Level::PlaybookGroupVarsAll, name),
            (Scope::Group(name), Beside::Inventory) => (Level::InventoryGroupVars, name),
            (Scope::Group(name), Beside::Playbook) => (Level::PlaybookGroupVars, name),
            (Scope::Host(name), Beside::Inventory) => (Level::InventoryHostVars, name),
            (Scope::Host(name), Beside::Playbook) => (Level::PlaybookHostVars, name),
        };
        let read = Node::parse(&file.source).and_then(|node| read_variables(&node, level, name));
        if let Some(read) = mistakes.keep(read) {
            files.entry((level, name.clone())).or_default().extend(read);
        }
    }
    files
}

/// Groups that nobody has as a child belong to `all`.
fn adopt_orphans(groups: &mut BTreeMap<GroupName, Group>, raw: &RawTree, all: &GroupName, ungrouped: &GroupName) {
    let has_parent: BTreeSet<GroupName> = groups.values().flat_map(|group| group.children.iter().cloned()).collect();
    let order = raw.group_order.iter().chain([ungrouped]);
    let orphans: Vec<GroupName> = order.filter(|name| *name != all && !has_parent.contains(*name)).cloned().collect();
    if let Some(all) = groups.get_mut(all) {
        for orphan in orphans {
            if !all.children.contains(&orphan) {
                all.children.push(orphan);
            }
        }
    }
}

/// `ungrouped` holds the hosts that are in no group but `all`, whatever the file says.
fn sort_out_ungrouped(groups: &mut BTreeMap<GroupName, Group>, raw: &RawTree, all: &GroupName, ungrouped: &GroupName) {
    let grouped: BTreeSet<HostName> = groups
        .iter()
        .filter(|(name, _)| *name != all && *name != ungrouped)
        .flat_map(|(_, group)| group.hosts.iter().cloned())
        .collect();
    if let Some(group) = groups.get_mut(ungrouped) {
        group.hosts = raw.host_order.iter().filter(|host| !grouped.contains(*host)).cloned().collect();
    }
}

/// The longest way from `all` to each group. Without cycles, each pass settles at least one more level.
fn set_depths(groups: &mut BTreeMap<GroupName, Group>, all: &GroupName) {
    let mut level: BTreeSet<GroupName> = BTreeSet::from([all.clone()]);
    let mut depth = 0;
    while !level.is_empty() && depth <= groups.len() {
        let mut next = BTreeSet::new();
        for name in &level {
            if let Some(group) = groups.get_mut(name) {
                group.depth = depth;
                next.extend(group.children.iter().cloned());
            }
        }
        level = next;
        depth += 1;
    }
}

/// Own hosts first, then those of the groups below, level by level.
fn members_of(groups: &BTreeMap<GroupName, Group>, name: &GroupName) -> Vec<HostName> {
    let (mut seen_groups, mut seen) = (BTreeSet::from([name]), BTreeSet::new());
    let (mut level, mut hosts) = (vec![name], Vec::new());
    while !level.is_empty() {
        let mut next = Vec::new();
        for group in level.iter().filter_map(|name| groups.get(*name)) {
            hosts.extend(group.hosts.iter().filter(|host| seen.insert(*host)).cloned());
            next.extend(group.children.iter().filter(|child| seen_groups.insert(child)));
        }
        level = next;
    }
    hosts
}

/// Reports each group that is below itself, once per cycle.
fn find_cycles(raw: &RawTree, mistakes: &mut Diagnostics) {
    let mut done: BTreeSet<&GroupName> = BTreeSet::new();
    for name in &raw.group_order {
        let mut way: Vec<(&GroupName, Option<&Span>)> = vec![(name, None)];
        walk(raw, &mut way, &mut done, mistakes);
    }
}

fn walk<'r>(
    raw: &'r RawTree,
    way: &mut Vec<(&'r GroupName, Option<&'r Span>)>,
    done: &mut BTreeSet<&'r GroupName>,
    mistakes: &mut Diagnostics,
) {
    let Some((name, _)) = way.last().copied() else { return };
    if done.contains(name) {
        return;
    }
    for (child, span) in raw.groups.get(name).map(|group| group.children.as_slice()).unwrap_or_default() {
        if let Some(at) = way.iter().position(|(ancestor, _)| *ancestor == child) {
            let round: Vec<String> = way[at..].iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("groups contain each other: {} > `{child}`", round.join(" > "));
            let other = way.get(at + 1).and_then(|(_, span)| *span);
            let message = match other {
                Some(other) => format!("{message}; the first step is at {other}"),
                None => message,
            };
            mistakes.push(Diagnostic::at(span, message).hint("take one of them out of the other's `children`"));
        } else {
            way.push((child, Some(span)));
            walk(raw, way, done, mistakes);
            way.pop();
        }
    }
    done.insert(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::VarsFile;

    fn parse(text: &str) -> Inventory {
        Inventory::parse(&InventorySources::of(Source::new("inv.yaml", text))).unwrap()
    }

    fn wrong(text: &str) -> String {
        Inventory::parse(&InventorySources::of(Source::new("inv.yaml", text))).unwrap_err().to_string()
    }

    fn names(hosts: &[HostName]) -> String {
        hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn hosts_come_in_the_order_of_the_file_and_belong_to_groups_and_their_parents() {
        let inventory = parse(
            "all:\n  children:\n    site:\n      children:\n        manager: {hosts: {'mgr[1:2]': {}}}\n        agent:\n          \
             hosts: {'gpu[01:02]':, mgr2: }\n  hosts: {lone: }\n",
        );
        assert_eq!(names(inventory.hosts()), "mgr1 mgr2 gpu01 gpu02 lone");
        assert_eq!(names(inventory.group_hosts("site").unwrap()), "mgr1 mgr2 gpu01 gpu02");
        assert_eq!(names(inventory.group_hosts("ungrouped").unwrap()), "lone");
        assert_eq!(inventory.group_hosts("all").unwrap().len(), 5);
        let mgr2 = inventory.host("mgr2").unwrap().clone();
        let groups: Vec<String> = inventory.groups_of(&mgr2).iter().map(ToString::to_string).collect();
        assert_eq!(groups, ["agent", "manager", "site"]);
    }

    #[test]
    fn deeper_groups_win_then_priority_then_the_later_name() {
        let text = "all: {vars: {a: all, b: all, c: all, d: all}}\n\
                    top: {vars: {b: top, c: top}, children: {low: {vars: {c: low}, hosts: {h: }}}}\n\
                    x1: {vars: {d: x1, ansible_group_priority: 5}, hosts: {h: }}\n\
                    x2: {vars: {d: x2, b: x2}, hosts: {h: }}\n";
        let inventory = parse(text);
        let variables = inventory.variables(inventory.host("h").unwrap());
        let all: Vec<&str> =
            ["a", "b", "c", "d"].iter().map(|name| variables.value(name).unwrap().as_str().unwrap()).collect();
        assert_eq!(all, ["all", "x2", "low", "x1"]);
        let lost: Vec<&str> = variables.get("d").unwrap().lost.iter().map(|given| &*given.giver).collect();
        assert_eq!(lost, ["x2", "all"]);
    }

    #[test]
    fn vars_files_win_over_the_file_and_the_playbook_s_over_the_inventory_s() {
        let file =
            |scope: Scope, beside, path: &str, text: &str| VarsFile { scope, beside, source: Source::new(path, text) };
        let group = |name: &str| Scope::Group(name.to_owned());
        let sources = InventorySources {
            inventory: Source::new("inv.yaml", "g: {vars: {a: 0, b: 0, c: 0, d: 0, e: 0}, hosts: {h: {e: host}}}"),
            vars: vec![
                file(group("g"), Beside::Inventory, "group_vars/g.yaml", "{c: 3, d: 3, e: 3}"),
                file(group("all"), Beside::Inventory, "group_vars/all/a.yaml", "{a: 1, b: 1, c: 1}"),
                file(group("all"), Beside::Inventory, "group_vars/all/b.yaml", "a: 1b"),
                file(group("all"), Beside::Playbook, "playbooks/group_vars/all.yaml", "{b: 2, c: 2, d: 2}"),
                file(group("nosuch"), Beside::Inventory, "group_vars/nosuch.yaml", "a: 9"),
                file(Scope::Host("h".into()), Beside::Inventory, "host_vars/h.yaml", "f: 5"),
                file(Scope::Host("nohost".into()), Beside::Inventory, "host_vars/nohost.yaml", "f: 9"),
            ],
        };
        let inventory = Inventory::parse(&sources).unwrap();
        let variables = inventory.variables(inventory.host("h").unwrap());
        let shown: Vec<String> =
            variables.iter().map(|(name, v)| format!("{name}={}", v.given.value.as_str().unwrap())).collect();
        assert_eq!(shown, ["a=1b", "b=2", "c=3", "d=3", "e=host", "f=5"]);
        assert_eq!(variables.get("a").unwrap().given.value.span.to_string(), "group_vars/all/b.yaml:1:4");
    }

    #[test]
    fn cycles_of_groups_name_both_places() {
        let shown = wrong("a: {children: {b: }, hosts: {h: }}\nb: {children: {c: }}\nc: {children: {a: }}\n");
        assert!(
            shown.starts_with(
                "inv.yaml:3:16: groups contain each other: `a` > `b` > `c` > `a`; the first step is at inv.yaml:1:16"
            ),
            "{shown}"
        );
        assert!(wrong("a: {children: {a: }, hosts: {h: }}").contains("`a` > `a`"));
        assert!(wrong("a: {children: {all: }, hosts: {h: }}").contains("can't be below one"));
    }

    #[test]
    fn what_ansible_only_warns_about_is_a_mistake_and_all_come_at_once() {
        let shown = wrong(
            "all:\n  host: {a: }\n  children:\n    web: {hosts: [a]}\n    x y: {}\n  hosts: {'w[1:': }\n  vars: [1]\n",
        );
        for part in [
            "inv.yaml:2:3: group `all` has no field `host`",
            "hint: did you mean `hosts`?",
            "inv.yaml:4:18: expected a mapping of hosts, found a list",
            "inv.yaml:5:5: group name \"x y\" holds ' '",
            "inv.yaml:6:11: the brackets of the range don't match",
            "inv.yaml:7:9: expected a mapping of variables, found a list",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert!(wrong("").contains("holds no host"));
        assert!(wrong("[web]\nmgr1 ansible_host=1\n").contains("inv.yaml:"));
    }
}
