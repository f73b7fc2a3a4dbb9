//! Playbooks: a list of plays, each for some hosts.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::keywords;
use super::task::{self, Task, head};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Source, Span, Value, did_you_mean};
use crate::inventory::{GivenVariables, Level, Pattern, read_variables};

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
    /// Its plays in order.
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
    /// `vars`.
    pub variables: GivenVariables,
    /// `roles`, whose tasks come before its own.
    pub roles: Vec<RoleEntry>,
    /// `tasks`.
    pub tasks: Vec<Task>,
    /// `serial`: how many hosts at a time, and where that is said.
    pub serial: Option<(NonZeroU32, Span)>,
}

/// A role as a play names it.
#[derive(Debug, Clone)]
pub struct RoleEntry {
    /// The role's name.
    pub name: String,
    /// Where it is named.
    pub span: Span,
    /// `vars` of the entry.
    pub variables: GivenVariables,
}

impl Playbook {
    /// Reads a playbook.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn parse(source: &Arc<Source>, origin: Origin) -> Result<Self, Diagnostics> {
        let document = Node::parse(source)?;
        let items = document.as_list().map_err(|_| {
            document
                .unexpected("a list of plays")
                .hint("a playbook is a list: - name: …, with hosts: and roles: below it")
        })?;
        let mut mistakes = Diagnostics::new();
        let plays: Vec<Play> = items.iter().filter_map(|item| mistakes.keep(read_play(item))).collect();
        if items.is_empty() {
            mistakes.push(Diagnostic::at(&document.span, "the playbook has no plays"));
        }
        mistakes.or_ok(Self { source: source.clone(), origin, plays })
    }

    /// The names of all roles that its plays use, each once, in order.
    #[must_use]
    pub fn role_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in self.plays.iter().flat_map(|play| &play.roles) {
            if !names.contains(&entry.name.as_str()) {
                names.push(&entry.name);
            }
        }
        names
    }
}

fn read_play(node: &Node) -> Result<Play, Diagnostics> {
    let mut fields = Fields::of(node, "a play")?;
    let name = fields.given("name", Node::as_text);
    let hosts = fields.required("hosts", |node| read_pattern(node).map(|pattern| (pattern, node.span.clone())));
    let label =
        name.clone().or_else(|| hosts.as_ref().map(|(pattern, _)| pattern.text().to_owned())).unwrap_or_default();
    let variables = fields.optional("vars", |node| read_variables(node, Level::Play, &label));
    let roles = fields.optional("roles", read_roles);
    let tasks = fields.optional("tasks", task::read_tasks);
    let serial = fields.given("serial", |node| read_serial(node).map(|hosts| (hosts, node.span.clone())));
    let mut problems = Diagnostics::new();
    for (key, _) in fields.rest() {
        problems.push(keywords::refuse(key, &task::kinds()).unwrap_or_else(|| {
            let word = key.key_text();
            let hint = did_you_mean(word, ["name", "hosts", "serial", "vars", "roles", "tasks"]);
            let hint =
                hint.unwrap_or_else(|| "a play has `name`, `hosts`, `serial`, `vars`, `roles` and `tasks`".to_owned());
            Diagnostic::at(&key.span, format!("a play has no field `{word}`")).hint(hint)
        }));
    }
    fields.mistake(problems);
    fields.build(|| {
        let (pattern, pattern_span) = hosts?;
        Some(Play {
            name: label,
            span: head(node),
            pattern,
            pattern_span,
            variables: variables.unwrap_or_default(),
            roles: roles.unwrap_or_default(),
            tasks: tasks.unwrap_or_default(),
            serial,
        })
    })
}

/// `serial` is a number of hosts.
fn read_serial(node: &Node) -> Result<NonZeroU32, Diagnostic> {
    let number = node.as_i64().ok().and_then(|number| u32::try_from(number).ok()).and_then(NonZeroU32::new);
    number.ok_or_else(|| {
        node.unexpected("a number of hosts").hint("percentages and lists of batches aren't supported in this release")
    })
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

fn read_roles(node: &Node) -> Result<Vec<RoleEntry>, Diagnostics> {
    let items = node.as_list().map_err(|_| node.unexpected("a list of roles"))?;
    let mut mistakes = Diagnostics::new();
    let roles = items.iter().filter_map(|item| mistakes.keep(read_role_entry(item))).collect();
    mistakes.or_ok(roles)
}

fn read_role_entry(node: &Node) -> Result<RoleEntry, Diagnostics> {
    if node.as_str().is_ok() {
        return Ok(RoleEntry { name: role_name(node)?, span: node.span.clone(), variables: Vec::new() });
    }
    let mut fields = Fields::of(node, "a role's entry")?;
    let name = fields.required("role", |node| role_name(node).map(|name| (name, node.span.clone())));
    let variables = fields.optional("vars", |node| read_variables(node, Level::RoleEntry, "role entry"));
    let mut problems = Diagnostics::new();
    for (key, _) in fields.rest() {
        problems.push(keywords::refuse(key, &task::kinds()).unwrap_or_else(|| {
            Diagnostic::at(&key.span, format!("a role's entry has no field `{}`", key.key_text()))
                .hint("it has `role` and `vars`; variables go below `vars`")
        }));
    }
    fields.mistake(problems);
    fields.build(|| {
        let (name, span) = name?;
        Some(RoleEntry { name, span, variables: variables.unwrap_or_default() })
    })
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
        assert_eq!(playbook.plays[0].roles[1].variables[0].1.level, Level::RoleEntry);
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        let shown = parse(
            "- hosts: a\n  become: true\n  role: x\n- name: no hosts\n  strategy: free\n- hosts: '{{x}}'\n  roles: ['../x', {role: a, b: 1}]\n- hosts: '~('\n",
        )
        .unwrap_err();
        for part in [
            "site.yaml:2:3: `become` isn't supported in this release",
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
