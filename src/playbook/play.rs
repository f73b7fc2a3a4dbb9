//! Playbooks: a list of plays, each for some hosts.

use std::sync::Arc;

use super::rolling::{self, Rolling};
use super::task::{self, Task, head};
use super::{becoming, keywords};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Source, Span, Value, did_you_mean};
use crate::inventory::{Becoming, GivenVariables, Level, Pattern, read_variables};

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
    /// How it goes over its hosts.
    pub rolling: Rolling,
    /// Whom it becomes.
    pub becoming: Becoming,
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
    /// Whom it becomes.
    pub becoming: Becoming,
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

/// What a play has.
const FIELDS: [&str; 9] =
    ["name", "hosts", "serial", "settle", "max_fail_percentage", "any_errors_fatal", "vars", "roles", "tasks"];

fn read_play(node: &Node) -> Result<Play, Diagnostics> {
    let mut fields = Fields::of(node, "a play")?;
    let name = fields.given("name", Node::as_text);
    let hosts = fields.required("hosts", |node| read_pattern(node).map(|pattern| (pattern, node.span.clone())));
    let label =
        name.clone().or_else(|| hosts.as_ref().map(|(pattern, _)| pattern.text().to_owned())).unwrap_or_default();
    let variables = fields.optional("vars", |node| read_variables(node, Level::Play, &label));
    let roles = fields.optional("roles", read_roles);
    let tasks = fields.optional("tasks", task::read_tasks);
    let (rolling, becoming) = (rolling::read(&mut fields), becoming::read(&mut fields));
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
        Some(Play {
            name: label,
            span: head(node),
            pattern,
            pattern_span,
            variables: variables.unwrap_or_default(),
            roles: roles.unwrap_or_default(),
            tasks: tasks.unwrap_or_default(),
            rolling,
            becoming,
        })
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
        let (name, becoming) = (role_name(node)?, Becoming::default());
        return Ok(RoleEntry { name, span: node.span.clone(), variables: Vec::new(), becoming });
    }
    let mut fields = Fields::of(node, "a role's entry")?;
    let name = fields.required("role", |node| role_name(node).map(|name| (name, node.span.clone())));
    let variables = fields.optional("vars", |node| read_variables(node, Level::RoleEntry, "role entry"));
    let becoming = becoming::read(&mut fields);
    let mut problems = Diagnostics::new();
    for (key, _) in fields.rest() {
        problems.push(keywords::refuse(key, &task::kinds()).unwrap_or_else(|| {
            Diagnostic::at(&key.span, format!("a role's entry has no field `{}`", key.key_text()))
                .hint("it has `role`, `vars`, and `become` and its like; variables go below `vars`")
        }));
    }
    fields.mistake(problems);
    fields.build(|| {
        let (name, span) = name?;
        Some(RoleEntry { name, span, variables: variables.unwrap_or_default(), becoming })
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
