//! Playbooks: a list of plays, each for some hosts.

use std::sync::Arc;

use super::entry::{Entry, Reader};
use super::files::{Files, KnownFiles, directory_of, join, no_such_file};
use super::group::Contents;
use super::order::{self, Order};
use super::rolling::{self, Rolling};
use super::shared::{self, Shared};
use super::task::{self, head};
use super::{becoming, keywords, tags};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Source, Span, Value, did_you_mean};
use crate::inventory::{Level, Pattern, read_variables};

/// Whether something comes with the program or from the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Compiled into the program.
    Bundled,
    /// A file of the operator's.
    Project,
}

/// A playbook.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// Its text.
    pub source: Arc<Source>,
    /// Whether it comes with the program.
    pub origin: Origin,
    /// Its plays in order, those of imported playbooks among them.
    pub plays: Vec<Play>,
}

/// One play.
#[derive(Debug, Clone)]
pub struct Play {
    /// `name`, or its pattern.
    pub name: String,
    /// Where it starts.
    pub span: Span,
    /// `hosts`.
    pub pattern: Pattern,
    /// Where `hosts` stands.
    pub pattern_span: Span,
    /// `order`.
    pub order: Order,
    /// `vars_files`: of each entry the first file that is there counts.
    pub vars_files: Vec<Vec<Node>>,
    /// `pre_tasks`.
    pub pre_tasks: Vec<Entry>,
    /// `roles`, whose tasks come before its own.
    pub roles: Vec<RoleEntry>,
    /// `tasks`.
    pub tasks: Vec<Entry>,
    /// `post_tasks`.
    pub post_tasks: Vec<Entry>,
    /// `handlers`.
    pub handlers: Vec<Entry>,
    /// What holds for all of its tasks.
    pub shared: Shared,
    /// How it goes over its hosts.
    pub rolling: Rolling,
}

/// A role as something names it.
#[derive(Debug, Clone)]
pub struct RoleCall {
    /// The role's name.
    pub name: String,
    /// Where it is named.
    pub span: Span,
    /// `tasks_from`: another file of its `tasks/` than `main`.
    pub tasks_from: Option<Node>,
    /// `vars_from`: another file of its `vars/` than `main`.
    pub vars_from: Option<Node>,
    /// `defaults_from`: another file of its `defaults/` than `main`.
    pub defaults_from: Option<Node>,
}

/// A role under `roles` of a play, or under `dependencies` of a role.
#[derive(Debug, Clone)]
pub struct RoleEntry {
    /// The role.
    pub call: RoleCall,
    /// What holds for all of its tasks; its `vars` are the role's parameters.
    pub shared: Shared,
}

impl Playbook {
    /// Reads a playbook that imports nothing.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn parse(source: &Arc<Source>, origin: Origin) -> Result<Self, Diagnostics> {
        Self::read(source, origin, &KnownFiles::default())
    }

    /// Reads a playbook and what it imports.
    ///
    /// # Errors
    /// All mistakes of all of them.
    pub fn read(source: &Arc<Source>, origin: Origin, files: &dyn Files) -> Result<Self, Diagnostics> {
        let plays = read_plays(source, files, &mut vec![source.path.clone()])?;
        Ok(Self { source: source.clone(), origin, plays })
    }

    /// The names of all roles that its plays use, each once, in order. Those that roles need are not among them.
    #[must_use]
    pub fn role_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for play in &self.plays {
            for list in [&play.pre_tasks, &play.tasks, &play.post_tasks, &play.handlers] {
                names_of(list, &mut names);
            }
            names.extend(play.roles.iter().map(|entry| entry.call.name.as_str()));
        }
        in_order_once(names)
    }
}

fn in_order_once(names: Vec<&str>) -> Vec<&str> {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// The roles that a list of tasks names.
pub(super) fn names_of<'e>(entries: &'e [Entry], names: &mut Vec<&'e str>) {
    for entry in entries {
        let Entry::Group(group) = entry else { continue };
        match &group.contents {
            Contents::Block { tasks, rescue, always } => {
                [tasks, rescue, always].into_iter().for_each(|list| names_of(list, names));
            }
            Contents::File { tasks, .. } => names_of(tasks, names),
            Contents::Role(call) => names.push(&call.name),
        }
    }
}

fn read_plays(source: &Arc<Source>, files: &dyn Files, way: &mut Vec<String>) -> Result<Vec<Play>, Diagnostics> {
    let document = Node::parse(source)?;
    let items = document.as_list().map_err(|_| {
        document.unexpected("a list of plays").hint("a playbook is a list: - name: …, with hosts: and roles: below it")
    })?;
    let mut mistakes = Diagnostics::new();
    let mut plays = Vec::new();
    for item in items {
        match item.get("import_playbook").or_else(|| item.get("ansible.builtin.import_playbook")) {
            Some(name) => plays.extend(mistakes.keep(import(item, name, files, way)).unwrap_or_default()),
            None => plays.extend(mistakes.keep(read_play(item, files))),
        }
    }
    if items.is_empty() {
        mistakes.push(Diagnostic::at(&document.span, "the playbook has no plays"));
    }
    mistakes.or_ok(plays)
}

/// `import_playbook`, with `vars`, `tags` and `when` for all plays of the other file.
fn import(item: &Node, name: &Node, files: &dyn Files, way: &mut Vec<String>) -> Result<Vec<Play>, Diagnostics> {
    let mut fields = Fields::of(item, "`import_playbook`")?;
    fields.node("import_playbook");
    fields.node("ansible.builtin.import_playbook");
    fields.optional("name", Node::as_text);
    let variables = fields.optional("vars", |node| read_variables(node, Level::Play, "import_playbook"));
    let tags = fields.given("tags", tags::read).unwrap_or_default();
    let when = fields.given("when", shared::conditions).unwrap_or_default();
    fields.finish()?;
    let file = name.as_filled_text()?;
    if file.contains("{{") {
        return Err(Diagnostic::at(&name.span, "the name of a playbook can't be a template")
            .hint("write the file's name, or name the playbook with --playbook")
            .into());
    }
    let path = join(directory_of(&item.span.source.path), &file);
    let Some(source) = files.read(&path)? else { return Err(no_such_file(name, &[path], files).into()) };
    if way.contains(&path) {
        let message = format!("playbooks import each other: {} > {path}", way.join(" > "));
        return Err(Diagnostic::at(&name.span, message).into());
    }
    way.push(path);
    let plays = read_plays(&source, files, way);
    way.pop();
    let mut plays = plays?;
    for play in &mut plays {
        // Of values at one level the last one added holds: what imports a play knows better.
        play.shared.variables.extend(variables.iter().flatten().cloned());
        play.shared.tags.extend(tags.iter().cloned());
        play.shared.when = when.iter().chain(&play.shared.when).cloned().collect();
    }
    Ok(plays)
}

/// What a play has.
const FIELDS: [&str; 20] = [
    "name",
    "hosts",
    "order",
    "serial",
    "settle",
    "max_fail_percentage",
    "any_errors_fatal",
    "vars",
    "vars_files",
    "pre_tasks",
    "roles",
    "tasks",
    "post_tasks",
    "handlers",
    "tags",
    "environment",
    "no_log",
    "ignore_errors",
    "gather_facts",
    "import_playbook",
];

fn read_play(node: &Node, files: &dyn Files) -> Result<Play, Diagnostics> {
    let mut fields = Fields::of(node, "a play")?;
    let name = fields.given("name", Node::as_text);
    let hosts = fields.required("hosts", |node| read_pattern(node).map(|pattern| (pattern, node.span.clone())));
    let label =
        name.clone().or_else(|| hosts.as_ref().map(|(pattern, _)| pattern.text().to_owned())).unwrap_or_default();
    let order = fields.given("order", order::read).unwrap_or_default();
    let vars_files = fields.given("vars_files", read_vars_files).unwrap_or_default();
    let roles = fields.optional("roles", read_roles).unwrap_or_default();
    let path = &node.span.source.path;
    let mut list = |key| fields.optional(key, |node| Reader::new(files, path).entries(node)).unwrap_or_default();
    let [pre_tasks, tasks, post_tasks] = ["pre_tasks", "tasks", "post_tasks"].map(&mut list);
    let handlers = fields.optional("handlers", |node| Reader::of_handlers(files, path).entries(node));
    let shared = Shared {
        variables: fields.optional("vars", |node| read_variables(node, Level::Play, &label)).unwrap_or_default(),
        tags: fields.given("tags", tags::read).unwrap_or_default(),
        environment: fields.given("environment", shared::environment).unwrap_or_default(),
        no_log: shared::truth(&mut fields, "no_log"),
        ignore_errors: shared::truth(&mut fields, "ignore_errors"),
        becoming: becoming::read(&mut fields),
        ..Shared::default()
    };
    // Facts are asked for as they are needed, whatever is said here.
    fields.given("gather_facts", Node::as_bool);
    let rolling = rolling::read(&mut fields);
    let mut problems = Diagnostics::new();
    for (key, _) in fields.rest() {
        problems.push(keywords::refuse(key, &task::kinds()).unwrap_or_else(|| {
            let word = key.key_text();
            let all: Vec<&str> = FIELDS.into_iter().chain(becoming::FIELDS).collect();
            let hint = did_you_mean(word, all.iter().copied());
            let hint = hint.unwrap_or_else(|| format!("a play has {}", all.join(", ")));
            Diagnostic::at(&key.span, format!("a play has no field `{word}`")).hint(hint)
        }));
    }
    fields.mistake(problems);
    fields.build(|| {
        let (pattern, pattern_span) = hosts?;
        let (span, handlers) = (head(node), handlers.unwrap_or_default());
        Some(Play {
            name: label,
            span,
            pattern,
            pattern_span,
            order,
            vars_files,
            pre_tasks,
            roles,
            tasks,
            post_tasks,
            handlers,
            shared,
            rolling,
        })
    })
}

/// A list of files, or of lists of which the first file that is there counts.
fn read_vars_files(node: &Node) -> Result<Vec<Vec<Node>>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let items = match &node.value {
        Value::Sequence(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(node),
    };
    let files = items.iter().filter_map(|item| mistakes.keep(shared::texts(item))).collect();
    mistakes.or_ok(files)
}

/// `hosts` is a pattern, or a list of them.
fn read_pattern(node: &Node) -> Result<Pattern, Diagnostics> {
    let text = match &node.value {
        Value::Sequence(items) => items.iter().map(Node::as_str).collect::<Result<Vec<_>, _>>()?.join(","),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => {
            node.as_str().map_err(|_| node.unexpected("a host pattern such as `manager` or `agent:!gpu03`"))?.to_owned()
        }
    };
    if text.contains("{{") {
        return Err(Diagnostic::at(&node.span, "templates in `hosts` aren't supported in this release")
            .hint("name a group, and narrow it with --limit")
            .into());
    }
    Pattern::parse(&text).map_err(|error| Diagnostic::at(&node.span, error.to_string()).into())
}

pub(super) fn read_roles(node: &Node) -> Result<Vec<RoleEntry>, Diagnostics> {
    let items = node.as_list().map_err(|_| node.unexpected("a list of roles"))?;
    let mut mistakes = Diagnostics::new();
    let roles = items.iter().filter_map(|item| mistakes.keep(read_role_entry(item))).collect();
    mistakes.or_ok(roles)
}

fn read_role_entry(node: &Node) -> Result<RoleEntry, Diagnostics> {
    if node.as_str().is_ok() {
        return Ok(RoleEntry { call: RoleCall::main(role_name(node)?, node.span.clone()), shared: Shared::default() });
    }
    let mut fields = Fields::of(node, "a role's entry")?;
    // Both words are Ansible's.
    let word = if node.get("name").is_some() && node.get("role").is_none() { "name" } else { "role" };
    let call = fields.required(word, |node| role_name(node).map(|name| RoleCall::main(name, node.span.clone())));
    let shared = shared::read(&mut fields, Level::RoleEntry, "role entry");
    let mut problems = Diagnostics::new();
    for (key, _) in fields.rest() {
        problems.push(keywords::refuse(key, &task::kinds()).unwrap_or_else(|| {
            Diagnostic::at(&key.span, format!("a role's entry has no field `{}`", key.key_text()))
                .hint(format!("it has `role`, {}; variables go below `vars`", shared::FIELDS.join(", ")))
        }));
    }
    fields.mistake(problems);
    fields.build(|| Some(RoleEntry { call: call?, shared }))
}

impl RoleCall {
    /// A role as a whole.
    fn main(name: String, span: Span) -> Self {
        Self { name, span, tasks_from: None, vars_from: None, defaults_from: None }
    }
}

/// What stands below `import_role` and `include_role`.
pub(super) fn read_role_call(node: &Node, word: &str) -> Result<RoleCall, Diagnostics> {
    let mut fields = Fields::of(node, format!("`{word}`"))?;
    let named = fields.required("name", |node| role_name(node).map(|name| (name, node.span.clone())));
    let mut from = |key: &'static str| fields.given(key, |node| file_of_role(node).map(|()| node.clone()));
    let [tasks_from, vars_from, defaults_from] = ["tasks_from", "vars_from", "defaults_from"].map(&mut from);
    fields.refuse(
        "handlers_from",
        || "`handlers_from` isn't supported in this release".into(),
        "put the handlers into handlers/main.yaml of the role",
    );
    fields.refuse("apply", || "`apply` isn't needed".into(), "write `tags`, `become`, … beside it: they hold for all");
    // Everything of a role is known to all that comes behind it, and a role may come as often as it is named.
    fields.given("public", Node::as_bool);
    fields.given("allow_duplicates", Node::as_bool);
    let validate = fields.given("rolespec_validate", Node::as_bool);
    if validate == Some(false) {
        let hint = "remove it, or mend the argument specification";
        fields.mistake(Diagnostic::at(&node.span, "the arguments of a role are always checked").hint(hint));
    }
    fields.build(|| {
        let (name, span) = named?;
        Some(RoleCall { name, span, tasks_from, vars_from, defaults_from })
    })
}

/// A file below one of a role's directories: it must not lead out of it.
fn file_of_role(node: &Node) -> Result<(), Diagnostic> {
    let name = node.as_filled_text()?;
    if name.contains("{{") {
        return Err(Diagnostic::at(&node.span, "the name of a role's file can't be a template")
            .hint("write one include_role for each file, each with its `when`"));
    }
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(Diagnostic::at(&node.span, format!("`{name}` leads out of the role")));
    }
    Ok(())
}

/// The name of a role is the name of its directory and must not lead out of `roles/`.
fn role_name(node: &Node) -> Result<String, Diagnostic> {
    let name = node.as_str()?;
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_fine) {
        return Err(Diagnostic::at(&node.span, format!("`{name}` can't be the name of a role"))
            .hint("it is the name of a directory in roles/: letters, digits, dashes and underscores"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Playbook, String> {
        Playbook::parse(&Source::new("site.yaml", text), Origin::Project).map_err(|d| d.to_string())
    }

    #[test]
    fn plays_have_hosts_variables_roles_and_tasks() {
        let text = "- name: one\n  hosts: [manager, '!mgr2']\n  vars: {a: 1}\n  roles: [manager, {role: agent, vars: {b: 2}}]\n\
                    - hosts: agent\n  roles: [manager]\n  tasks:\n  - component: {}\n";
        let playbook = parse(text).unwrap();
        assert_eq!(playbook.role_names(), ["manager", "agent"]);
        assert_eq!(playbook.plays[0].pattern.text(), "manager,!mgr2");
        assert_eq!((playbook.plays[1].name.as_str(), playbook.plays[1].tasks.len()), ("agent", 1));
        assert_eq!(playbook.plays[0].roles[1].shared.variables[0].1.level, Level::RoleEntry);
    }

    #[test]
    fn a_play_says_how_it_goes_over_its_hosts() {
        let rolling =
            |text: &str| parse(&format!("- hosts: a\n  roles: [r]\n  {text}\n")).unwrap().plays.remove(0).rolling;
        let sizes = |text: &str| {
            let serial = rolling(text).serial.unwrap().0;
            serial.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(sizes("serial: 2"), "2");
        assert_eq!(sizes("serial: 25%"), "25%");
        assert_eq!(sizes("serial: [1, \"25%\", \"100%\"]"), "1 25% 100%");
        assert_eq!(rolling("settle: 1m30s").settle, Some(90));
        assert_eq!(rolling("max_fail_percentage: 30").max_fail_percentage, Some(30));
        assert_eq!(rolling("any_errors_fatal: yes").max_fail_percentage, Some(0));
        let silent = rolling("any_errors_fatal: no");
        assert!(silent.serial.is_none() && silent.settle.is_none() && silent.max_fail_percentage.is_none());
    }

    #[test]
    fn mistakes_in_how_it_goes_have_their_places() {
        for (text, expected) in [
            ("serial: 0", "site.yaml:3:11: \"0\" is neither a number from 1 on nor a percentage"),
            ("serial: []", "site.yaml:3:11: `serial` is an empty list"),
            ("serial: [1, 0%, many]", "site.yaml:3:15: \"0%\" is neither"),
            ("serial: [1, 0%, many]", "site.yaml:3:19: \"many\" is neither"),
            ("serial: [[1]]", "site.yaml:3:12: expected a number of hosts, or a percentage of them"),
            ("serial: {a: 1}", "site.yaml:3:11: expected a number of hosts"),
            ("settle: soon", "site.yaml:3:11: "),
            ("settle: 2d", "site.yaml:3:11: a time to settle lies between one second and a day"),
            ("max_fail_percentage: 101", "site.yaml:3:24: \"101\" is no percentage from 0 to 100"),
            ("max_fail_percentage: -1", "no percentage"),
            ("{max_fail_percentage: 5, any_errors_fatal: true}", ""),
        ] {
            let text = match text.strip_prefix('{') {
                Some(fields) => fields.trim_end_matches('}').replace(", any", "\n  any"),
                None => text.to_owned(),
            };
            let shown = parse(&format!("- hosts: a\n  roles: [r]\n  {text}\n")).unwrap_err();
            let expected = if expected.is_empty() { "site.yaml:3:24: `max_fail_percentage` and" } else { expected };
            assert!(shown.contains(expected), "{text}: {expected:?} is not in\n{shown}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        let shown = parse(
            "- hosts: a\n  become_flags: -i\n  role: x\n- name: no hosts\n  strategy: free\n- hosts: '{{x}}'\n  roles: ['../x', {role: a, b: 1}]\n- hosts: '~('\n",
        )
        .unwrap_err();
        for part in [
            "site.yaml:2:3: `become_flags` isn't supported in this release",
            "site.yaml:3:3: a play has no field `role`",
            "did you mean `roles`?",
            "site.yaml:4:3: a play lacks `hosts`",
            "site.yaml:5:3: `strategy` isn't supported",
            "site.yaml:6:10: templates in `hosts`",
            "site.yaml:7:11: `../x` can't be the name of a role",
            "site.yaml:7:29: a role's entry has no field `b`",
            "site.yaml:8:10: `~(` isn't a regular expression",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert!(parse("hosts: x").unwrap_err().contains("expected a list of plays"));
        assert!(parse("[]").unwrap_err().contains("no plays"));
    }
}
