//! The finished inventory: who belongs where, and which variables that gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cycles::find_cycles;
use super::sources::{Beside, InventoryFormat, InventoryPlace, InventorySources, Scope};
use super::tree::{RawHost, RawTree};
use super::variables::{GivenVariables, Level, Variables, read_variables};
use super::{host_list, ini, program, yaml};
use crate::document::{Diagnostic, Diagnostics, Node, Source, Span, place_of};
use crate::model::{GroupName, HostName};

/// A group with its place in the tree.
#[derive(Debug, Clone)]
struct Group {
    first: Span,
    /// Own hosts, in order.
    own: Vec<HostName>,
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
    place: Option<Arc<InventoryPlace>>,
    variables: GivenVariables,
}

/// Variables of vars files: by level, by the number of the directory, by group or host.
type FileVariables = BTreeMap<(Level, usize, String), GivenVariables>;

/// Hosts, groups and variables of one or several inventories, which are one from here on.
#[derive(Debug, Clone)]
pub struct Inventory {
    name: String,
    playbook_directory: Option<String>,
    defaults: GivenVariables,
    /// As the group `all` has them.
    order: Vec<HostName>,
    /// In the order of their first mention.
    mentioned: Vec<HostName>,
    hosts: BTreeMap<HostName, Host>,
    groups: BTreeMap<GroupName, Group>,
    /// `all`, `ungrouped`, then all others in the order of their first mention.
    group_order: Vec<GroupName>,
    files: FileVariables,
}

impl Inventory {
    /// Reads an inventory.
    ///
    /// # Errors
    /// All mistakes of the inventories and of the vars files.
    pub fn parse(sources: &InventorySources) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let files = read_files(sources, &mut mistakes);
        let mut raw = RawTree::default();
        for text in &sources.inventories {
            raw.place = text.place.clone().map(Arc::new);
            match &text.format {
                InventoryFormat::Yaml => yaml::read(&text.source, &mut raw),
                InventoryFormat::Ini => ini::read(&text.source, &mut raw),
                InventoryFormat::HostList => host_list::read(&text.source, &mut raw),
                InventoryFormat::Program { hosts } => program::read(&text.source, hosts, &mut raw),
            }
        }
        mistakes.append(std::mem::take(&mut raw.mistakes));
        if raw.host_order.is_empty() && mistakes.is_empty() {
            mistakes.push(no_host(sources));
        }
        find_cycles(&raw, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let inventory = Self::link(sources, raw, files);
        inventory.check_names().or_ok(inventory)
    }

    /// Puts every host under its groups and orders the groups. Expects a tree without cycles.
    fn link(sources: &InventorySources, raw: RawTree, files: FileVariables) -> Self {
        let start = sources.inventories.first().map_or_else(nowhere, |text| Span::whole(&text.source));
        let mut groups: BTreeMap<GroupName, Group> = BTreeMap::new();
        for (name, group) in &raw.groups {
            let children = group.children.iter().map(|(child, _)| child.clone()).collect();
            let (hosts, variables) = (group.hosts.clone(), group.variables.clone());
            let (first, priority) = (group.first.clone(), group.priority);
            let own = hosts.clone();
            groups.insert(name.clone(), Group { first, own, hosts, children, depth: 0, priority, variables });
        }
        let empty = || Group {
            first: start.clone(),
            own: Vec::new(),
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
            let RawHost { first, place, variables } = host;
            (name, Host { first, groups: belongs, place, variables })
        });
        let hosts = hosts.collect();
        let order = groups.get(&all).map(|all| all.hosts.clone()).unwrap_or_default();
        let others = raw.group_order.into_iter().filter(|name| *name != all && *name != ungrouped);
        let group_order = [all.clone(), ungrouped.clone()].into_iter().chain(others).collect();
        let (name, mentioned) = (sources.name(), raw.host_order);
        let playbook_directory = sources.playbook_directory.clone();
        let defaults = sources.defaults.clone();
        Self { name, playbook_directory, defaults, order, mentioned, hosts, groups, group_order, files }
    }

    /// A name that a host and a group share means different hosts in different places of a pattern.
    fn check_names(&self) -> Diagnostics {
        let both = self.hosts.iter().filter_map(|(name, host)| Some((name, host, self.groups.get(name.as_str())?)));
        let differing = both.filter(|(name, _, group)| group.hosts != [(*name).clone()]);
        let mistake = |(name, host, group): (&HostName, &Host, &Group)| {
            let (first, second) = match group.first.start <= host.first.start {
                true => (&group.first, &host.first),
                false => (&host.first, &group.first),
            };
            let message = format!(
                "`{name}` is a host and a group that doesn't hold just that host, so a pattern can't tell them apart; first at {}",
                place_of(first)
            );
            Diagnostic::at(second, message).hint("give one of them another name")
        };
        differing.map(mistake).collect()
    }

    /// What messages call it: the names of its files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole path of the directory that the playbook lies in, where there is one.
    #[must_use]
    pub fn playbook_directory(&self) -> Option<&str> {
        self.playbook_directory.as_deref()
    }

    /// All hosts in the order of the group `all`: its own first, then those of the groups below, level by level.
    #[must_use]
    pub fn hosts(&self) -> &[HostName] {
        &self.order
    }

    /// All hosts in the order of their first mention.
    pub(super) fn mentioned(&self) -> &[HostName] {
        &self.mentioned
    }

    /// All groups in the order of their first mention, behind `all` and `ungrouped`.
    pub(super) fn groups_in_order(&self) -> &[GroupName] {
        &self.group_order
    }

    /// A group's `ansible_group_priority`.
    #[must_use]
    pub fn priority(&self, group: &str) -> Option<i64> {
        self.groups.get(group).map(|group| group.priority)
    }

    /// The groups right below a group, in order.
    #[must_use]
    pub fn children(&self, group: &str) -> &[GroupName] {
        self.groups.get(group).map(|group| group.children.as_slice()).unwrap_or_default()
    }

    /// The hosts of a group itself, without those of the groups below it, in order.
    #[must_use]
    pub fn own_hosts(&self, group: &str) -> &[HostName] {
        self.groups.get(group).map(|group| group.own.as_slice()).unwrap_or_default()
    }

    /// Where the inventory lies that mentions a host first; a list of hosts on the command line lies nowhere.
    #[must_use]
    pub fn place_of_inventory(&self, host: &HostName) -> Option<&InventoryPlace> {
        self.hosts.get(host).and_then(|host| host.place.as_deref())
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
        variables.give_all(&self.defaults);
        for group in entry.groups.iter().filter_map(|name| self.groups.get(name)) {
            variables.give_all(&group.variables);
        }
        let groups: Vec<&str> = entry.groups.iter().map(GroupName::as_str).collect();
        for level in [Level::InventoryGroupVarsAll, Level::PlaybookGroupVarsAll] {
            self.give_files(&mut variables, level, &["all"]);
        }
        for level in [Level::InventoryGroupVars, Level::PlaybookGroupVars] {
            self.give_files(&mut variables, level, &groups);
        }
        variables.give_all(&entry.variables);
        for level in [Level::InventoryHostVars, Level::PlaybookHostVars] {
            self.give_files(&mut variables, level, &[host.as_str()]);
        }
        variables
    }

    /// The variables that are given to a group itself, by the inventory and its vars files, with what lost.
    #[must_use]
    pub fn group_variables(&self, name: &str) -> Variables {
        let mut variables = Variables::new();
        let Some(group) = self.groups.get(name) else { return variables };
        variables.give_all(&group.variables);
        for level in [
            Level::InventoryGroupVarsAll,
            Level::PlaybookGroupVarsAll,
            Level::InventoryGroupVars,
            Level::PlaybookGroupVars,
        ] {
            self.give_files(&mut variables, level, &[name]);
        }
        variables
    }

    /// The variables that are given to a host itself, without those of its groups, with what lost.
    #[must_use]
    pub fn host_variables(&self, name: &HostName) -> Variables {
        let mut variables = Variables::new();
        let Some(host) = self.hosts.get(name) else { return variables };
        variables.give_all(&host.variables);
        for level in [Level::InventoryHostVars, Level::PlaybookHostVars] {
            self.give_files(&mut variables, level, &[name.as_str()]);
        }
        variables
    }

    /// Variables of vars files: directory by directory, in each of them in the order of `names`.
    fn give_files(&self, variables: &mut Variables, level: Level, names: &[&str]) {
        let of_level = self.files.range((level, 0, String::new())..).take_while(|((other, ..), _)| *other == level);
        let directories: BTreeSet<usize> = of_level.map(|((_, directory, _), _)| *directory).collect();
        for directory in directories {
            for name in names {
                if let Some(given) = self.files.get(&(level, directory, (*name).to_owned())) {
                    variables.give_all(given);
                }
            }
        }
    }
}

/// A place for what has none: an inventory without sources.
fn nowhere() -> Span {
    Span::whole(&Source::new("inventory", ""))
}

fn no_host(sources: &InventorySources) -> Diagnostic {
    let Some(text) = sources.inventories.first() else { return Diagnostic::nowhere("no inventory is named") };
    let (message, hint) = match text.format {
        InventoryFormat::Ini => ("the inventory holds no host", "a host is a line: mgr1 ansible_host=10.0.0.1"),
        InventoryFormat::Yaml => ("the inventory holds no host", "all: { hosts: { host1: {} } }"),
        InventoryFormat::HostList => ("the list holds no host", "-i host1,host2,"),
        InventoryFormat::Program { .. } => {
            ("the program names no host", "it prints {\"all\": {\"hosts\": [\"host1\"]}}")
        }
    };
    Diagnostic::at(&Span::whole(&text.source), message).hint(hint)
}

/// Names that are known to be valid.
fn built_in(name: &'static str) -> GroupName {
    match GroupName::parse(name) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

fn read_files(sources: &InventorySources, mistakes: &mut Diagnostics) -> FileVariables {
    let mut files = FileVariables::new();
    for file in &sources.vars {
        let (level, directory, name) = match (&file.scope, file.beside) {
            (Scope::Group(name), Beside::Inventory(at)) if name == "all" => (Level::InventoryGroupVarsAll, at, name),
            (Scope::Group(name), Beside::Playbook) if name == "all" => (Level::PlaybookGroupVarsAll, 0, name),
            (Scope::Group(name), Beside::Inventory(at)) => (Level::InventoryGroupVars, at, name),
            (Scope::Group(name), Beside::Playbook) => (Level::PlaybookGroupVars, 0, name),
            (Scope::Host(name), Beside::Inventory(at)) => (Level::InventoryHostVars, at, name),
            (Scope::Host(name), Beside::Playbook) => (Level::PlaybookHostVars, 0, name),
        };
        let read = Node::parse(&file.source).and_then(|node| read_variables(&node, level, name));
        if let Some(read) = mistakes.keep(read) {
            files.entry((level, directory, name.clone())).or_default().extend(read);
        }
    }
    files
}

/// Groups that nobody has as a child belong to `all`.
fn adopt_orphans(groups: &mut BTreeMap<GroupName, Group>, raw: &RawTree, all: &GroupName, ungrouped: &GroupName) {
    let has_parent: BTreeSet<GroupName> = groups.values().flat_map(|group| group.children.iter().cloned()).collect();
    let others = raw.group_order.iter().filter(|name| *name != all && *name != ungrouped);
    let orphans: Vec<GroupName> = others.filter(|name| !has_parent.contains(*name)).cloned().collect();
    if let Some(all) = groups.get_mut(all) {
        // It is below `all` before anything else is.
        all.children.retain(|child| child != ungrouped);
        all.children.insert(0, ungrouped.clone());
        for orphan in orphans {
            if !all.children.contains(&orphan) {
                all.children.push(orphan);
            }
        }
    }
}

/// `ungrouped` holds the hosts that are in no group but `all`: first those that the file puts there, then all others.
fn sort_out_ungrouped(groups: &mut BTreeMap<GroupName, Group>, raw: &RawTree, all: &GroupName, ungrouped: &GroupName) {
    let grouped: BTreeSet<HostName> = groups
        .iter()
        .filter(|(name, _)| *name != all && *name != ungrouped)
        .flat_map(|(_, group)| group.hosts.iter().cloned())
        .collect();
    if let Some(group) = groups.get_mut(ungrouped) {
        let mut hosts: Vec<HostName> = group.hosts.iter().filter(|host| !grouped.contains(*host)).cloned().collect();
        let there: BTreeSet<HostName> = hosts.iter().cloned().collect();
        let lone = |host: &&HostName| !grouped.contains(*host) && !there.contains(*host);
        hosts.extend(raw.host_order.iter().filter(lone).cloned());
        group.own.clone_from(&hosts);
        group.hosts = hosts;
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
    fn hosts_come_level_by_level_and_belong_to_groups_and_their_parents() {
        let inventory = parse(
            "all:\n  children:\n    site:\n      children:\n        manager: {hosts: {'mgr[1:2]': {}}}\n        agent:\n          \
             hosts: {'gpu[01:02]':, mgr2: }\n  hosts: {lone: }\n",
        );
        assert_eq!(names(inventory.hosts()), "lone mgr1 mgr2 gpu01 gpu02");
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
            vars: vec![
                file(group("g"), Beside::Inventory(0), "group_vars/g.yaml", "{c: 3, d: 3, e: 3}"),
                file(group("all"), Beside::Inventory(0), "group_vars/all/a.yaml", "{a: 1, b: 1, c: 1}"),
                file(group("all"), Beside::Inventory(0), "group_vars/all/b.yaml", "a: 1b"),
                file(group("all"), Beside::Playbook, "playbooks/group_vars/all.yaml", "{b: 2, c: 2, d: 2}"),
                file(group("nosuch"), Beside::Inventory(0), "group_vars/nosuch.yaml", "a: 9"),
                file(Scope::Host("h".into()), Beside::Inventory(0), "host_vars/h.yaml", "f: 5"),
                file(Scope::Host("nohost".into()), Beside::Inventory(0), "host_vars/nohost.yaml", "f: 9"),
            ],
            ..InventorySources::of(Source::new(
                "inv.yaml",
                "g: {vars: {a: 0, b: 0, c: 0, d: 0, e: 0}, hosts: {h: {e: host}}}",
            ))
        };
        let inventory = Inventory::parse(&sources).unwrap();
        let variables = inventory.variables(inventory.host("h").unwrap());
        let shown: Vec<String> =
            variables.iter().map(|(name, v)| format!("{name}={}", v.given.value.as_str().unwrap())).collect();
        assert_eq!(shown, ["a=1b", "b=2", "c=3", "d=3", "e=host", "f=5"]);
        assert_eq!(variables.get("a").unwrap().given.value.span.to_string(), "group_vars/all/b.yaml:1:4");
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
