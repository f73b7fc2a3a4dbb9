//! Plays × hosts → resolved tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::becoming::{Becomers, becoming_of};
use super::magic::{self, Magic};
use super::mistakes::HostMistakes;
use super::scope::Scope;
use crate::document::{Diagnostic, Diagnostics, Node, Span, did_you_mean};
use crate::inventory::{Becoming, Connection, Given, Inventory, Variables};
use crate::model::HostName;
use crate::playbook::{Origin, Play, Playbook, Role, RoleEntry, Roles, Rolling, Task, TaskKind, Templates};

/// Everything that was declared.
#[derive(Debug, Clone, Copy)]
pub struct Declaration<'d> {
    /// Hosts, groups, variables.
    pub inventory: &'d Inventory,
    /// Plays.
    pub playbook: &'d Playbook,
    /// The roles that the plays name.
    pub roles: &'d Roles,
    /// Variables of the command line, from [`crate::inventory::read_extra_vars`].
    pub extra: &'d [(Arc<str>, Given)],
    /// Whom the command line becomes, the weakest of all that have a say in it.
    pub becoming: &'d Becoming,
    /// `--limit`.
    pub limit: Option<&'d str>,
}

/// One task on one host, with nothing left to render.
#[derive(Debug, Clone)]
pub struct ResolvedTask {
    /// The name of the play.
    pub play: String,
    /// Its number in the playbook, from 0.
    pub play_index: usize,
    /// How the play goes over its hosts.
    pub rolling: Rolling,
    /// The role that the task belongs to, if any.
    pub role: Option<String>,
    /// The name of the task, or the word of its kind.
    pub task: String,
    /// Where the task stands.
    pub span: Span,
    /// The host.
    pub host: HostName,
    /// What it is about.
    pub kind: TaskKind,
    /// What stands below the word of its kind, all templates rendered. Each scalar keeps the place where its text was
    /// written, be it the task or a variable.
    pub body: Node,
    /// The variables that it saw, as given, with what lost against them.
    pub variables: Arc<Variables>,
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
#[derive(Debug, Clone)]
pub struct Desired {
    /// In the order of the plays, then of their tasks (roles first), then of the hosts in the inventory.
    pub tasks: Vec<ResolvedTask>,
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

struct Resolver<'d> {
    declaration: &'d Declaration<'d>,
    templates: &'d Templates,
    limit: Option<Vec<HostName>>,
    groups: Arc<Node>,
    bases: BTreeMap<HostName, HostBase>,
    becomers: Becomers,
    mistakes: Diagnostics,
    of_hosts: HostMistakes,
    desired: Desired,
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
    let templates = Templates::new();
    let limit = declaration.limit.map(|text| declaration.inventory.limit(text)).transpose()?;
    let (tasks, connections, left_out, skipped) = Default::default();
    let mut resolver = Resolver {
        declaration,
        templates: &templates,
        limit,
        groups: magic::groups(declaration.inventory),
        bases: BTreeMap::new(),
        becomers: Becomers::default(),
        mistakes: Diagnostics::new(),
        of_hosts: HostMistakes::default(),
        desired: Desired { tasks, connections, left_out, skipped },
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
    let (templates, groups) = (Templates::new(), magic::groups(inventory));
    let mut mistakes = HostMistakes::default();
    let mut connections = Vec::with_capacity(hosts.len());
    for host in &hosts {
        let mut variables = inventory.variables(host);
        variables.give_all(extra);
        let scope = Scope::new(&templates, Arc::new(variables), magic::of_host(inventory, &groups, host));
        connections
            .extend(mistakes.keep(host, connection_of(host, &scope)).map(|connection| (host.clone(), connection)));
    }
    mistakes.into_diagnostics(hosts.len()).or_ok(connections)
}

fn connection_of(host: &HostName, scope: &Scope<'_>) -> Result<Connection, Diagnostics> {
    let connection =
        Connection::read(host, |name| scope.value(name).map(|value| value.map(|node| node.as_ref().clone())))?;
    Ok(Connection { become_user: becoming_of(&[], scope)?, ..connection })
}

impl<'d> Resolver<'d> {
    fn play(&mut self, index: usize, play: &'d Play) {
        let hosts = match self.choose(play) {
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
        for host in &hosts {
            self.admit(host);
        }
        // Roles are looked up even when no host takes part: a typo shouldn't wait for its first host.
        for entry in &play.roles {
            match self.declaration.roles.get(&entry.name) {
                Some(role) => self.tasks(index, play, Some((role, entry)), &role.tasks, &hosts),
                None => self.no_such_role(entry),
            }
        }
        self.tasks(index, play, None, &play.tasks, &hosts);
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
    fn admit(&mut self, host: &HostName) {
        if self.bases.contains_key(host) {
            return;
        }
        let inventory = self.declaration.inventory;
        let mut variables = inventory.variables(host);
        variables.give_all(self.declaration.extra);
        let magic = magic::of_host(inventory, &self.groups, host);
        let scope = Scope::new(self.templates, Arc::new(variables.clone()), magic.clone());
        if let Some(connection) = self.of_hosts.keep(host, connection_of(host, &scope)) {
            self.desired.connections.insert(host.clone(), connection);
        }
        self.bases.insert(host.clone(), HostBase { variables, magic });
    }

    fn no_such_role(&mut self, entry: &RoleEntry) {
        let hint = did_you_mean(&entry.name, self.declaration.roles.names());
        let hint = hint.unwrap_or_else(|| format!("put its tasks into roles/{}/tasks/main.yaml", entry.name));
        self.mistakes.push(Diagnostic::at(&entry.span, format!("there is no role `{}`", entry.name)).hint(hint));
    }

    /// Resolves the tasks of one role, or the play's own, on all hosts of the play.
    fn tasks(
        &mut self,
        index: usize,
        play: &'d Play,
        role: Option<(&'d Role, &'d RoleEntry)>,
        tasks: &'d [Task],
        hosts: &[HostName],
    ) {
        if tasks.is_empty() || hosts.is_empty() {
            return;
        }
        let play_hosts = magic::play_hosts(hosts);
        let mut scopes: Vec<Scope<'d>> = Vec::with_capacity(hosts.len());
        for host in hosts {
            let Some(base) = self.bases.get(host) else { continue };
            let mut variables = base.variables.clone();
            variables.give_all(&play.variables);
            if let Some((role, entry)) = role {
                variables.give_all(&role.defaults);
                variables.give_all(&role.variables);
                variables.give_all(&entry.variables);
            }
            let mut magic = base.magic.clone();
            magic.insert("ansible_play_hosts", play_hosts.clone());
            scopes.push(Scope::new(self.templates, Arc::new(variables), magic));
        }
        for task in tasks {
            let mut places = vec![&task.becoming];
            places.extend(role.map(|(_, entry)| &entry.becoming));
            places.extend([&play.becoming, self.declaration.becoming]);
            for (host, scope) in hosts.iter().zip(&scopes) {
                let own;
                let scope = if task.variables.is_empty() {
                    scope
                } else {
                    let mut variables = scope.variables().as_ref().clone();
                    variables.give_all(&task.variables);
                    let mut magic = self.bases.get(host).map(|base| base.magic.clone()).unwrap_or_default();
                    magic.insert("ansible_play_hosts", play_hosts.clone());
                    own = Scope::new(self.templates, Arc::new(variables), magic);
                    &own
                };
                let becoming = becoming_of(&places, scope).and_then(|user| self.becomers.note(host, &task.span, user));
                self.of_hosts.keep(host, becoming);
                let resolved = resolve_task(task, scope);
                let Some((name, body, variables)) = self.of_hosts.keep(host, resolved) else { continue };
                self.desired.tasks.push(ResolvedTask {
                    play: play.name.clone(),
                    play_index: index,
                    rolling: play.rolling.clone(),
                    role: role.map(|(role, _)| role.name.clone()),
                    task: name,
                    span: task.span.clone(),
                    host: host.clone(),
                    kind: task.kind,
                    body,
                    variables,
                });
            }
        }
    }

    fn finish(self) -> Result<Desired, Diagnostics> {
        let Self { declaration, mut mistakes, of_hosts, mut desired, bases, becomers, .. } = self;
        becomers.into_connections(&mut desired.connections);
        mistakes.append(of_hosts.into_diagnostics(bases.len()));
        if mistakes.is_empty() && bases.is_empty() {
            mistakes.push(nobody(declaration));
        }
        let order = declaration.inventory.hosts();
        let taken: Vec<HostName> = std::mem::take(&mut desired.left_out);
        desired.left_out =
            order.iter().filter(|host| taken.contains(host) && !bases.contains_key(*host)).cloned().collect();
        mistakes.or_ok(desired)
    }
}

fn resolve_task(task: &Task, scope: &Scope<'_>) -> Result<(String, Node, Arc<Variables>), Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let name = task.name.as_ref().map(|name| scope.render(name).and_then(|name| Ok(name.as_text()?)));
    let name = name.and_then(|name| mistakes.keep(name)).unwrap_or_else(|| task.kind.word().to_owned());
    let body = mistakes.keep(scope.render(&task.body));
    match body {
        Some(body) if mistakes.is_empty() => Ok((name, body, scope.variables().clone())),
        Some(_) | None => Err(mistakes),
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
    use crate::playbook::{RoleSources, bundled_playbook, bundled_role, bundled_role_names};

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
        }])
        .map_err(|d| d.to_string())?;
        let extra: Vec<ExtraVars> = extra.iter().map(|text| ExtraVars::Argument(Source::command_line(*text))).collect();
        let extra = read_extra_vars(&extra).map_err(|d| d.to_string())?;
        resolve(&Declaration {
            inventory: &inventory,
            playbook: &playbook,
            roles: &roles,
            extra: &extra,
            becoming: &Becoming::default(),
            limit,
        })
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
            "`a` isn't a helper\n",
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
        let declaration = Declaration {
            inventory: &inventory,
            playbook: &playbook,
            roles: &roles,
            extra: &[],
            becoming: &Becoming::default(),
            limit: None,
        };
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
        let declaration = Declaration {
            inventory: &inventory,
            playbook: &playbook,
            roles: &roles,
            extra: &extra,
            becoming: &Becoming::default(),
            limit: None,
        };
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
