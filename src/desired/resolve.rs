//! Plays × hosts → resolved tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::becoming::{Becomers, becoming_of};
use super::facts::Facts;
use super::handlers::PlayState;
use super::magic::{self, Magic};
use super::mistakes::HostMistakes;
use super::outside::{Outside, unknown_of, without_unknown};
use super::scope::Scope;
use super::task::{Blocked, Message, Refusal, ResolvedTask, Section};
use super::walk::Way;
use crate::document::{Diagnostic, Diagnostics, Node, Span};
use crate::inventory::{Becoming, Connection, Given, GivenVariables, Inventory, Level, Variables, read_variables};
use crate::model::HostName;
use crate::playbook::{Files, Origin, Play, Playbook, Roles, TagSelection, join, no_such_file};

/// Everything that was declared.
#[derive(Debug, Clone, Copy)]
pub struct Declaration<'d> {
    /// Hosts, groups, variables.
    pub inventory: &'d Inventory,
    /// Plays.
    pub playbook: &'d Playbook,
    /// The roles that the plays name, and those that these need.
    pub roles: &'d Roles,
    /// The files that `vars_files` names.
    pub files: &'d dyn Files,
    /// Variables of the command line, from [`crate::inventory::read_extra_vars`].
    pub extra: &'d [(Arc<str>, Given)],
    /// Whom the command line becomes, the weakest of all that have a say in it.
    pub becoming: &'d Becoming,
    /// `--limit`.
    pub limit: Option<&'d str>,
    /// The hosts that a run is about, where everything is resolved and that is less: `run_once` takes the first of them.
    pub within: Option<&'d BTreeSet<HostName>>,
    /// `--tags` and `--skip-tags`.
    pub tags: &'d TagSelection,
    /// What is known of the hosts.
    pub facts: Facts<'d>,
}

/// A play that no host of the inventory takes part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedPlay {
    /// Its name.
    pub play: String,
    /// Its pattern.
    pub pattern: String,
}

/// What each host should have.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// In the order of the plays, then of their sections and tasks (roles first), then of the hosts of the play.
    pub tasks: Vec<ResolvedTask>,
    /// Handlers that a task of their host notifies, in the order in which they are defined: those of roles first. One that
    /// no task refers to was replaced by a later one of its name.
    pub handlers: Vec<ResolvedTask>,
    /// What tasks say to whoever reads the plan.
    pub messages: Vec<Message>,
    /// What keeps a run from beginning: `assert` and `fail`.
    pub refusals: Vec<Refusal>,
    /// What could not be resolved, because facts aren't known.
    pub blocked: Vec<Blocked>,
    /// Hosts whose facts are used and were not asked for: ask them and resolve again. All else is incomplete then.
    pub wanting: BTreeSet<HostName>,
    /// How to reach each host that has a task.
    pub connections: BTreeMap<HostName, Connection>,
    /// Hosts that plays name and `--limit` leaves out, in inventory order.
    pub left_out: Vec<HostName>,
    /// Plays that no host of the inventory takes part in.
    pub skipped: Vec<SkippedPlay>,
}

/// What is the same for all tasks of a host.
struct HostBase {
    variables: Variables,
    magic: Magic,
}

/// The hosts of a play.
enum Chosen {
    /// Its pattern is a plain name that nothing in the inventory has.
    Nobody,
    Hosts {
        within: Vec<HostName>,
        left_out: Vec<HostName>,
    },
}

/// Scopes of the hosts that take part in something, in order.
pub(super) type Members<'d> = Vec<Rc<Scope<'d>>>;

pub(super) struct Resolver<'d> {
    pub(super) declaration: &'d Declaration<'d>,
    pub(super) outside: &'d Outside<'d>,
    limit: Option<Vec<HostName>>,
    bases: BTreeMap<HostName, HostBase>,
    vars_files: BTreeMap<String, Option<Result<GivenVariables, Diagnostics>>>,
    pub(super) becomers: Becomers,
    pub(super) mistakes: Diagnostics,
    pub(super) of_hosts: HostMistakes,
    pub(super) desired: Desired,
    /// Of the play that is being resolved.
    pub(super) state: PlayState<'d>,
    /// How many blocks were met.
    pub(super) blocks: usize,
}

/// Brings inventory, playbook and roles together.
///
/// A play whose `hosts` is one plain name that the inventory doesn't have is skipped (so the bundled playbook serves
/// sites without some of the components, and one playbook several inventories); other patterns must match. A run in
/// which no play matches any host is a mistake.
///
/// # Errors
/// All mistakes of all plays and hosts, each once.
pub fn resolve(declaration: &Declaration<'_>) -> Result<Desired, Diagnostics> {
    let limit = declaration.limit.map(|text| declaration.inventory.limit(text)).transpose()?;
    let outside = Outside::new(declaration.inventory, declaration.extra, declaration.facts);
    let mut resolver = Resolver {
        declaration,
        outside: &outside,
        limit,
        bases: BTreeMap::new(),
        vars_files: BTreeMap::new(),
        becomers: Becomers::default(),
        mistakes: Diagnostics::new(),
        of_hosts: HostMistakes::default(),
        desired: Desired::default(),
        state: PlayState::default(),
        blocks: 0,
    };
    for (index, play) in declaration.playbook.plays.iter().enumerate() {
        resolver.play(index, play);
    }
    resolver.finish()
}

/// How to reach hosts, without regard to any playbook and its say in whom to become: for commands that only look.
///
/// # Errors
/// All mistakes of the limit and of the hosts' connection variables.
pub fn resolve_connections(
    inventory: &Inventory,
    extra: &[(Arc<str>, Given)],
    limit: Option<&str>,
) -> Result<Vec<(HostName, Connection)>, Diagnostics> {
    let hosts = match limit {
        Some(text) => inventory.limit(text)?,
        None => inventory.hosts().to_vec(),
    };
    let outside = Outside::new(inventory, extra, Facts::Unasked);
    let mut mistakes = HostMistakes::default();
    let mut connections = Vec::with_capacity(hosts.len());
    for host in &hosts {
        let mut variables = inventory.variables(host);
        variables.give_all(extra);
        let magic = magic::of_host(inventory, outside.groups(), host);
        let scope = Scope::new(&outside, host, Arc::new(variables), magic);
        connections
            .extend(mistakes.keep(host, connection_of(host, &scope)).map(|connection| (host.clone(), connection)));
    }
    mistakes.into_diagnostics(hosts.len()).or_ok(connections)
}

fn connection_of(host: &HostName, scope: &Scope<'_>) -> Result<Connection, Diagnostics> {
    let read = || {
        let value = |name: &str| scope.value(name).map(|value| value.map(|node| node.as_ref().clone()));
        let connection = Connection::read(host, value)?;
        Ok(Connection { become_user: becoming_of(&[], scope)?, ..connection })
    };
    read().map_err(|mistakes: Diagnostics| match unknown_of(&mistakes) {
        Some(_) => Diagnostic::nowhere(format!("how {host} is reached can't depend on its facts")).into(),
        None => without_unknown(&mistakes),
    })
}

impl<'d> Resolver<'d> {
    fn play(&mut self, index: usize, play: &'d Play) {
        let mut hosts = match self.choose(play) {
            Chosen::Nobody => {
                let (play, pattern) = (play.name.clone(), play.pattern.text().to_owned());
                self.desired.skipped.push(SkippedPlay { play, pattern });
                Vec::new()
            }
            Chosen::Hosts { within, left_out } => {
                self.desired.left_out.extend(left_out);
                within
            }
        };
        play.order.apply(&mut hosts);
        for host in &hosts {
            self.admit(host);
        }
        let members = self.members(play, &hosts);
        let within = |host: &&HostName| self.declaration.within.is_none_or(|within| within.contains(*host));
        let first = hosts.iter().find(within).or(hosts.first()).cloned();
        self.state = PlayState::default();
        self.state.first = first;
        let way = Way::new(index, play, self.declaration.becoming);
        self.entries(&play.pre_tasks, &way.of(Section::Pre), &members);
        // Roles are looked up even when no host takes part: a typo shouldn't wait for its first host.
        for entry in &play.roles {
            self.role_entry(entry, &way.of(Section::Main), &members);
        }
        self.entries(&play.tasks, &way.of(Section::Main), &members);
        self.entries(&play.post_tasks, &way.of(Section::Post), &members);
        self.handlers(&way.of(Section::Handlers), &members);
    }

    /// What each host of a play sees before any role or task adds to it.
    fn members(&mut self, play: &'d Play, hosts: &[HostName]) -> Members<'d> {
        let play_hosts = magic::play_hosts(hosts);
        let mut members = Members::with_capacity(hosts.len());
        for host in hosts {
            let Some(base) = self.bases.get(host) else { continue };
            let mut variables = base.variables.clone();
            variables.give_all(&play.shared.variables);
            let mut magic = base.magic.clone();
            magic.insert("ansible_play_hosts", play_hosts.clone());
            let scope = Scope::new(self.outside, host, Arc::new(variables), magic);
            let mut given = Vec::new();
            for alternatives in &play.vars_files {
                let found = self.vars_file(alternatives, &scope);
                given.extend(self.keep(&scope, "vars_files", &play.span, found));
            }
            let scope = if given.is_empty() { scope } else { scope.within(&given, []) };
            // A condition of what imports the play is one of each of its hosts.
            let takes_part = scope.holds(&play.shared.when);
            if self.keep(&scope, &play.name, &play.span, takes_part).unwrap_or(false) {
                members.push(Rc::new(scope));
            }
        }
        members
    }

    /// The variables of the first of some files that is there.
    fn vars_file(&mut self, alternatives: &'d [Node], scope: &Scope<'d>) -> Result<GivenVariables, Diagnostics> {
        let mut tried = Vec::new();
        for node in alternatives {
            let name = scope.render(node)?.as_filled_text()?;
            let directory = node.span.source.path.rfind('/').map_or("", |at| &node.span.source.path[..=at]);
            for path in [join(directory, &name), join(&format!("{directory}vars/"), &name)] {
                if !self.vars_files.contains_key(&path) {
                    let source = self.declaration.files.read(&path)?;
                    let read = source.map(|source| {
                        Node::parse(&source).and_then(|node| read_variables(&node, Level::VarsFiles, &source.path))
                    });
                    self.vars_files.insert(path.clone(), read);
                }
                if let Some(Some(read)) = self.vars_files.get(&path) {
                    return read.clone();
                }
                tried.push(path);
            }
        }
        match alternatives.last() {
            Some(node) => Err(no_such_file(node, &tried, self.declaration.files).into()),
            None => Ok(GivenVariables::new()),
        }
    }

    fn choose(&mut self, play: &Play) -> Chosen {
        let inventory = self.declaration.inventory;
        let selection = play.pattern.select(inventory);
        if !selection.unmatched.is_empty() {
            if play.pattern.plain_name().is_some() {
                return Chosen::Nobody;
            }
            for part in &selection.unmatched {
                self.mistakes.push(inventory.unmatched(part, &play.pattern_span.narrowed_to(part)));
            }
        }
        let is_within = |host: &HostName| self.limit.as_ref().is_none_or(|limit| limit.contains(host));
        let (within, left_out) = selection.hosts.into_iter().partition(is_within);
        Chosen::Hosts { within, left_out }
    }

    /// Prepares a host at its first play: its own variables, and how to reach it.
    pub(super) fn admit(&mut self, host: &HostName) {
        if self.bases.contains_key(host) {
            return;
        }
        let inventory = self.declaration.inventory;
        let mut variables = inventory.variables(host);
        variables.give_all(self.declaration.extra);
        let magic = magic::of_host(inventory, self.outside.groups(), host);
        let scope = Scope::new(self.outside, host, Arc::new(variables.clone()), magic.clone());
        if let Some(connection) = self.of_hosts.keep(host, connection_of(host, &scope)) {
            self.desired.connections.insert(host.clone(), connection);
        }
        self.bases.insert(host.clone(), HostBase { variables, magic });
    }

    /// Keeps a value. What is wrong is a mistake of the host; what depends on a fact that isn't known is blocked.
    pub(super) fn keep<T>(
        &mut self,
        scope: &Scope<'_>,
        task: &str,
        span: &Span,
        result: Result<T, Diagnostics>,
    ) -> Option<T> {
        let mistakes = match result {
            Ok(value) => return Some(value),
            Err(mistakes) => mistakes,
        };
        match unknown_of(&mistakes) {
            Some(reason) => {
                let (host, task) = (scope.host().clone(), task.to_owned());
                self.desired.blocked.push(Blocked { host, task, span: span.clone(), reason });
            }
            None => self.of_hosts.add(scope.host(), &without_unknown(&mistakes)),
        }
        None
    }

    fn finish(self) -> Result<Desired, Diagnostics> {
        let Self { declaration, mut mistakes, of_hosts, mut desired, bases, becomers, outside, .. } = self;
        becomers.into_connections(&mut desired.connections);
        mistakes.append(of_hosts.into_diagnostics(bases.len()));
        if mistakes.is_empty() && bases.is_empty() {
            mistakes.push(nobody(declaration));
        }
        let order = declaration.inventory.hosts();
        let taken: Vec<HostName> = std::mem::take(&mut desired.left_out);
        desired.left_out =
            order.iter().filter(|host| taken.contains(host) && !bases.contains_key(*host)).cloned().collect();
        desired.wanting = outside.wanting();
        mistakes.or_ok(desired)
    }
}

/// The mistake that no play matches any host.
fn nobody(declaration: &Declaration<'_>) -> Diagnostic {
    let Declaration { inventory, playbook, limit, .. } = declaration;
    let patterns: Vec<String> = playbook.plays.iter().map(|play| format!("`{}`", play.pattern.text())).collect();
    let groups: Vec<String> = inventory
        .groups()
        .filter(|group| !matches!(group.as_str(), "all" | "ungrouped"))
        .map(|group| format!("`{group}`"))
        .collect();
    let whom = match limit {
        Some(limit) => format!("any host of --limit {limit}"),
        None => format!("any host of {}", inventory.name()),
    };
    let bundled = match playbook.origin {
        Origin::Bundled => "the bundled playbook",
        Origin::Project => "the playbook",
    };
    let has = if groups.is_empty() { "no groups".to_owned() } else { format!("the groups {}", groups.join(", ")) };
    Diagnostic::at(&Span::whole(&playbook.source), format!("no play of {bundled} is for {whom}"))
        .hint(format!("its plays are for {}; the inventory has {has}", patterns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::inventory::{ExtraVars, InventorySources, read_extra_vars};
    use crate::playbook::{KnownFiles, RoleRest, RoleSources, bundled_playbook, bundled_role, bundled_role_names};

    fn declare<'d>(inventory: &'d Inventory, playbook: &'d Playbook, roles: &'d Roles) -> Declaration<'d> {
        static NOBODY: Becoming = Becoming { enabled: None, user: None, method: None };
        static TAGS: TagSelection = TagSelection { only: BTreeSet::new(), skip: BTreeSet::new() };
        static FILES: KnownFiles = KnownFiles(BTreeMap::new());
        Declaration {
            inventory,
            playbook,
            roles,
            files: &FILES,
            extra: &[],
            becoming: &NOBODY,
            limit: None,
            within: None,
            tags: &TAGS,
            facts: Facts::Unasked,
        }
    }

    fn run(
        inventory: &str,
        playbook: &str,
        role: &str,
        extra: &[&str],
        limit: Option<&str>,
    ) -> Result<Desired, String> {
        let inventory =
            Inventory::parse(&InventorySources::of(Source::new("inv.yaml", inventory))).map_err(|d| d.to_string())?;
        let playbook =
            Playbook::parse(&Source::new("site.yaml", playbook), Origin::Project).map_err(|d| d.to_string())?;
        let source = |path: &str, text: &str| Some(Source::new(path, text));
        let roles = Roles::parse(&[RoleSources {
            name: "r".into(),
            origin: Origin::Project,
            defaults: source("roles/r/defaults/main.yaml", "a: default\nhome: /home/bai\n"),
            vars: source("roles/r/vars/main.yaml", "v: role\n"),
            tasks: source("roles/r/tasks/main.yaml", role),
            meta: None,
            handlers: None,
            rest: RoleRest::default(),
        }])
        .map_err(|d| d.to_string())?;
        let extra: Vec<ExtraVars> = extra.iter().map(|text| ExtraVars::Argument(Source::command_line(*text))).collect();
        let extra = read_extra_vars(&extra).map_err(|d| d.to_string())?;
        resolve(&Declaration { extra: &extra, limit, ..declare(&inventory, &playbook, &roles) })
            .map_err(|d| d.to_string())
    }

    const INVENTORY: &str = "web: {hosts: {'w[1:2]': }, vars: {i: inventory, a: inventory}}\ndb: {hosts: {d: {ansible_host: '{{addr}}', addr: 10.0.0.1}}}\n";

    fn shown(desired: &Desired) -> Vec<String> {
        let each = desired
            .tasks
            .iter()
            .map(|t| format!("{}/{}/{} {}", t.play_index, t.task, t.host, t.body.to_json().unwrap()));
        each.collect()
    }

    #[test]
    fn tasks_come_by_play_then_task_then_host_with_everything_rendered() {
        let playbook = "- {name: one, hosts: 'web:db', roles: [{role: r, vars: {e: entry}}], vars: {p: play, v: play}}\n\
                        - {hosts: db, tasks: [{component: {x: '{{inventory_hostname_short}} {{json group_names}}'}}]}\n";
        let role = "- name: t {{inventory_hostname}}\n  component: {x: '{{a}} {{v}} {{e}} {{p}} {{t}} {{home}}'}\n  vars: {t: task}\n\
                    - component: {y: '{{ansible_play_hosts.length}}'}\n";
        let shown_error = run(INVENTORY, playbook, role, &[], None).unwrap_err();
        assert!(
            shown_error.contains("`ansible_play_hosts.length` isn't defined: `ansible_play_hosts` is a list"),
            "{shown_error}"
        );
        let role = role.replace("{{ansible_play_hosts.length}}", "{{lookup ansible_play_hosts 2}}");
        let desired = run(INVENTORY, playbook, &role, &["p=extra"], None).unwrap();
        assert_eq!(
            shown(&desired),
            [
                r#"0/t w1/w1 {"x":"inventory role entry extra task /home/bai"}"#,
                r#"0/t w2/w2 {"x":"inventory role entry extra task /home/bai"}"#,
                r#"0/t d/d {"x":"default role entry extra task /home/bai"}"#,
                r#"0/component/w1 {"y":"d"}"#,
                r#"0/component/w2 {"y":"d"}"#,
                r#"0/component/d {"y":"d"}"#,
                r#"1/component/d {"x":"d [\"db\"]"}"#,
            ]
        );
        assert_eq!(desired.connections["d"].host, "10.0.0.1");
    }

    #[test]
    fn the_limit_leaves_hosts_out_and_unknown_plain_groups_are_skipped() {
        let playbook = "- {hosts: web, roles: [r]}\n- {hosts: nosuch, roles: [r]}\n";
        let desired = run(INVENTORY, playbook, "- component: {}", &[], Some("w2")).unwrap();
        assert_eq!(shown(&desired), ["0/component/w2 {}"]);
        assert_eq!(desired.left_out.iter().map(HostName::as_str).collect::<Vec<_>>(), ["w1"]);
        assert_eq!(desired.skipped[0].pattern, "nosuch");
        let shown = run(INVENTORY, playbook, "- component: {}", &[], Some("db")).unwrap_err();
        assert!(shown.starts_with("site.yaml:1:1: no play of the playbook is for any host of --limit db"), "{shown}");
        let shown = run(INVENTORY, "- {hosts: 'web:!w9', roles: [r]}", "- component: {}", &[], None).unwrap_err();
        assert!(shown.starts_with("site.yaml:1:16: `!w9` matches no host of inv.yaml"), "{shown}");
    }

    #[test]
    fn a_mistake_that_many_hosts_share_is_told_once() {
        let inventory = "web: {hosts: {'w[01:50]': , x: {typo: fine}}}\ndb: {hosts: {d: {ansible_port: '{{nope}}'}}}";
        let shown = run(
            inventory,
            "- {hosts: 'web,db', roles: [r, nosuch]}",
            "- component: {a: '{{typo}}', b: '{{a b}}'}",
            &[],
            None,
        )
        .unwrap_err();
        for part in [
            "site.yaml:1:32: there is no role `nosuch`",
            "roles/r/tasks/main.yaml:1:21: `typo` isn't defined (for w01, w02, w03 and 48 more)",
            "`a` isn't a helper",
            "inv.yaml:2:35: `nope` isn't defined (for d)",
        ] {
            assert_eq!(shown.matches(part).count(), 1, "{part}\n{shown}");
        }
        assert_eq!(shown.matches("hint:").count(), 4, "{shown}");
    }

    #[test]
    fn the_bundled_playbook_needs_only_an_inventory() {
        let text = "all:\n  vars: {release: \"25.6.5\"}\n  children:\n    manager: {hosts: {'mgr[1:2]': }}\n    agent: {hosts: {gpu1: {agent_unit: ''}}}\n";
        let inventory = Inventory::parse(&InventorySources::of(Source::new("inv.yaml", text))).unwrap();
        let playbook = Playbook::parse(&bundled_playbook(), Origin::Bundled).unwrap();
        let sources: Vec<RoleSources> = bundled_role_names().into_iter().filter_map(bundled_role).collect();
        let roles = Roles::parse(&sources).unwrap();
        let declaration = declare(&inventory, &playbook, &roles);
        let desired = resolve(&declaration).unwrap();
        assert_eq!((desired.tasks.len(), desired.skipped.len()), (3, 5));
        let manager = &desired.tasks[0].body;
        assert_eq!(manager.get("venv").unwrap().as_str().unwrap(), "/home/bai/manager/.venv");
        assert_eq!(manager.get("release").unwrap().span.to_string(), "inv.yaml:2:19");
        let title = manager.get("process").unwrap().get("title").unwrap();
        assert!(title.as_str().unwrap().starts_with("^(backend\\.ai: manager"), "{title:?}");
        assert_eq!(manager.get("schema").unwrap().get("timeout").unwrap().as_duration().unwrap().as_secs(), 14400);
        assert!(desired.tasks[2].body.get("process").unwrap().get("systemd").unwrap().is_blank());
        let empty = Inventory::parse(&InventorySources::of(Source::new("inv.yaml", "x: {hosts: {h: }}"))).unwrap();
        let shown = resolve(&Declaration { inventory: &empty, ..declaration }).unwrap_err().to_string();
        assert!(shown.contains("no play of the bundled playbook is for any host of inv.yaml"), "{shown}");
    }

    #[test]
    fn every_bundled_role_resolves() {
        let groups: Vec<String> =
            bundled_role_names().iter().map(|name| format!("{name}: {{hosts: {{h: }}}}")).collect();
        let inventory = Inventory::parse(&InventorySources::of(Source::new("inv.yaml", groups.join("\n")))).unwrap();
        let playbook = Playbook::parse(&bundled_playbook(), Origin::Bundled).unwrap();
        let sources: Vec<RoleSources> = bundled_role_names().into_iter().filter_map(bundled_role).collect();
        let roles = Roles::parse(&sources).unwrap();
        let extra = read_extra_vars(&[ExtraVars::Argument(Source::command_line("release=25.10"))]).unwrap();
        let declaration = Declaration { extra: &extra, ..declare(&inventory, &playbook, &roles) };
        assert_eq!(resolve(&declaration).unwrap().tasks.len(), 7);
        let shown = resolve(&Declaration { extra: &[], ..declaration }).unwrap_err().to_string();
        assert!(shown.contains("`release` isn't defined"), "{shown}");
    }

    #[test]
    fn a_host_has_one_user_whoever_says_whom() {
        let task = "- component: {}\n  become_user: '{{a}}'\n";
        let become_of = |inventory: &str, playbook: &str, extra: &[&str]| {
            run(inventory, playbook, task, extra, None).map(|desired| {
                let user = |(host, connection): (&HostName, &Connection)| {
                    let user = connection.become_user.as_ref().map(|user| format!("{} by {}", user.user, user.method));
                    format!("{host}={}", user.unwrap_or_default())
                };
                desired.connections.iter().map(user).collect::<Vec<_>>().join(" ")
            })
        };
        let hosts = "web: {hosts: {w1: , w2: {ansible_become: no}}}\n";
        let play = "- hosts: web\n  become: yes\n  become_method: su\n  roles: [r]\n";
        assert_eq!(become_of(hosts, play, &[]), Ok("w1=default by su w2=".into()));
        assert_eq!(become_of(hosts, play, &["a=pg"]), Ok("w1=pg by su w2=".into()));
        let other = format!("{play}- hosts: web\n  become: yes\n  tasks: [{{component: {{}}, vars: {{x: 1}}}}]\n");
        let shown = become_of(hosts, &other, &[]).unwrap_err();
        for part in [
            "site.yaml:7:12: this task would be done as root by sudo, the one at roles/r/tasks/main.yaml:1:3 as default by su (for w1)",
            "hint: in this release all of a host is looked at and changed as one user",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        let variables = "web: {hosts: {w1: , w2: }, vars: {ansible_become_user: bai, ansible_become_method: sudo}}\n";
        assert_eq!(become_of(variables, &other, &[]), Ok("w1=bai by sudo w2=bai by sudo".into()));
    }

    #[test]
    fn connections_are_resolved_without_a_playbook() {
        let inventory = Inventory::parse(&InventorySources::of(Source::new("inv.yaml", INVENTORY))).unwrap();
        let all = resolve_connections(&inventory, &[], None).unwrap();
        let shown: Vec<String> =
            all.iter().map(|(host, c)| format!("{host}={}:{}", c.host, c.port.unwrap_or(22))).collect();
        assert_eq!(shown, ["w1=w1:22", "w2=w2:22", "d=10.0.0.1:22"]);
        assert!(resolve_connections(&inventory, &[], Some("w9")).is_err());
    }
}
