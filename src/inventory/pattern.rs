//! Host patterns: `manager`, `agent:!gpu03`, `gpu*`, `~gpu0[1-4]`, `agent[0:2]`.

use std::collections::BTreeSet;

use regex::Regex;

use super::Inventory;
use crate::document::{Diagnostic, Diagnostics, Source, Span, nearest};
use crate::model::HostName;

/// Longest compiled form of a pattern's regular expression, in bytes: plenty for names, and a bound on memory.
const REGEX_SIZE: usize = 1 << 20;

/// Why a pattern can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing but separators.
    #[error("the host pattern is empty")]
    Empty,
    /// `&` or `!` with nothing behind it.
    #[error("`{0}` lacks a name")]
    NoName(String),
    /// Not a regular expression.
    #[error("`{text}` isn't a regular expression: {reason}")]
    Regex {
        /// The part of the pattern.
        text: String,
        /// What the compiler of regular expressions says, its last line.
        reason: String,
    },
    /// `group[x]`.
    #[error("`{0}`: behind a name stands [number] or [first:last]")]
    Subscript(String),
}

/// How a part changes what was chosen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Add,
    Intersect,
    Exclude,
}

/// What the name of a host or group is held against.
#[derive(Debug, Clone)]
enum Matcher {
    All,
    Name(String),
    /// A glob or regular expression.
    Regex(Regex),
}

/// Which of the matched hosts are meant, counted from 0; negative from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscript {
    Whole,
    One(i64),
    /// Both ends included.
    Range(usize, Option<usize>),
}

#[derive(Debug, Clone)]
struct Part {
    text: String,
    operation: Operation,
    matcher: Matcher,
    subscript: Subscript,
}

/// A parsed host pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

/// What a pattern chooses from an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The hosts, in inventory order.
    pub hosts: Vec<HostName>,
    /// Parts of the pattern, as written, that match no host at all.
    pub unmatched: Vec<String>,
}

impl Pattern {
    /// Parses a pattern. Parts are separated by `,` or `:` (outside brackets; a `~regex` ends at a comma only).
    /// Whatever their order, plain parts add hosts, `&` parts then intersect and `!` parts exclude; without plain
    /// parts, `all` is what they start from.
    ///
    /// # Errors
    /// When it is empty or a part can't be read.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parts = split(text).into_iter().map(|part| parse_part(&part)).collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Err(PatternError::Empty);
        }
        parts.sort_by_key(|part| part.operation);
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The pattern as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name, when the pattern is one plain name and nothing else.
    #[must_use]
    pub fn plain_name(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part { operation: Operation::Add, matcher: Matcher::Name(name), subscript: Subscript::Whole, .. }] => {
                Some(name)
            }
            _ => None,
        }
    }

    /// The hosts that the pattern chooses. A plain name is a group's if there is such a group, otherwise a host's.
    #[must_use]
    pub fn select(&self, inventory: &Inventory) -> Selection {
        let mut unmatched = Vec::new();
        let mut chosen: BTreeSet<&HostName> = BTreeSet::new();
        if self.parts.first().is_some_and(|part| part.operation != Operation::Add) {
            chosen.extend(inventory.hosts());
        }
        for part in &self.parts {
            let hosts = part.hosts(inventory);
            if hosts.is_empty() {
                unmatched.push(part.text.clone());
            }
            let hosts: BTreeSet<&HostName> = hosts.into_iter().collect();
            match part.operation {
                Operation::Add => chosen.extend(hosts),
                Operation::Intersect => chosen.retain(|host| hosts.contains(host)),
                Operation::Exclude => chosen.retain(|host| !hosts.contains(host)),
            }
        }
        let hosts = inventory.hosts().iter().filter(|host| chosen.contains(host)).cloned().collect();
        Selection { hosts, unmatched }
    }
}

impl Part {
    fn hosts<'i>(&self, inventory: &'i Inventory) -> Vec<&'i HostName> {
        let matched: Vec<&HostName> = match &self.matcher {
            Matcher::All => inventory.hosts().iter().collect(),
            Matcher::Name(name) => match inventory.group_hosts(name) {
                Some(hosts) => hosts.iter().collect(),
                None => inventory.host(name).into_iter().collect(),
            },
            Matcher::Regex(regex) => {
                let groups = inventory.groups().filter(|group| regex.is_match(group.as_str()));
                let of_groups = groups.filter_map(|group| inventory.group_hosts(group.as_str())).flatten();
                let own = inventory.hosts().iter().filter(|host| regex.is_match(host.as_str()));
                let chosen: BTreeSet<&HostName> = of_groups.chain(own).collect();
                inventory.hosts().iter().filter(|host| chosen.contains(host)).collect()
            }
        };
        let at = |index: i64| match usize::try_from(index) {
            Ok(index) => Some(index),
            Err(_) => matched.len().checked_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
        };
        match self.subscript {
            Subscript::Whole => matched,
            Subscript::One(index) => at(index).and_then(|index| matched.get(index).copied()).into_iter().collect(),
            Subscript::Range(first, last) => {
                let end = last.map_or(matched.len(), |last| last.saturating_add(1).min(matched.len()));
                matched.get(first..end).map(<[_]>::to_vec).unwrap_or_default()
            }
        }
    }
}

/// Splits at `,` and `:` outside brackets; a regular expression ends at a comma only.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        let current = parts.last().map(String::as_str).unwrap_or_default().trim_start();
        let in_regex = current.trim_start_matches(['&', '!']).starts_with('~');
        match c {
            ',' if depth == 0 || in_regex => {
                depth = 0;
                parts.push(String::new());
                continue;
            }
            ':' if depth == 0 && !in_regex => {
                parts.push(String::new());
                continue;
            }
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn parse_part(text: &str) -> Result<Part, PatternError> {
    let (operation, name) = match text.as_bytes().first() {
        Some(b'&') => (Operation::Intersect, &text[1..]),
        Some(b'!') => (Operation::Exclude, &text[1..]),
        _ => (Operation::Add, text),
    };
    if name.is_empty() {
        return Err(PatternError::NoName(text.to_owned()));
    }
    let (matcher, subscript) = match name.strip_prefix('~') {
        // As in Ansible, an expression must match from the start of a name but not to its end.
        Some(expression) => (Matcher::Regex(compile(text, &format!("^(?:{expression})"))?), Subscript::Whole),
        None => {
            let (name, subscript) = parse_subscript(name)?;
            let matcher = match name {
                "all" | "*" => Matcher::All,
                glob if glob.contains(['*', '?']) => Matcher::Regex(compile(text, &glob_expression(glob))?),
                name => Matcher::Name(name.to_owned()),
            };
            (matcher, subscript)
        }
    };
    Ok(Part { text: text.to_owned(), operation, matcher, subscript })
}

fn glob_expression(glob: &str) -> String {
    let body: String = glob
        .chars()
        .map(|c| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            other => regex::escape(&other.to_string()),
        })
        .collect();
    format!("^(?:{body})$")
}

fn compile(text: &str, expression: &str) -> Result<Regex, PatternError> {
    regex::RegexBuilder::new(expression).size_limit(REGEX_SIZE).build().map_err(|error| {
        let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        PatternError::Regex { text: text.to_owned(), reason }
    })
}

fn parse_subscript(text: &str) -> Result<(&str, Subscript), PatternError> {
    let wrong = || PatternError::Subscript(text.to_owned());
    let Some((name, rest)) = text.split_once('[') else { return Ok((text, Subscript::Whole)) };
    let inner = rest.strip_suffix(']').ok_or_else(wrong)?;
    if name.is_empty() {
        return Err(wrong());
    }
    let subscript = match inner.split_once(':') {
        None => Subscript::One(inner.parse().map_err(|_| wrong())?),
        Some((first, "")) => Subscript::Range(first.parse().map_err(|_| wrong())?, None),
        Some((first, last)) => {
            Subscript::Range(first.parse().map_err(|_| wrong())?, Some(last.parse().map_err(|_| wrong())?))
        }
    };
    Ok((name, subscript))
}

impl Inventory {
    /// The hosts that `--limit TEXT` chooses, in inventory order.
    ///
    /// # Errors
    /// When the pattern can't be read, when a part of it matches no host (with the nearest names), or when nothing
    /// is left.
    pub fn limit(&self, text: &str) -> Result<Vec<HostName>, Diagnostics> {
        let source = Source::command_line(format!("--limit {text}"));
        let mut span = Span::whole(&source);
        span.bytes = Some(0..source.text.len());
        let pattern = Pattern::parse(text).map_err(|error| Diagnostic::at(&span, error.to_string()))?;
        let selection = pattern.select(self);
        let mut mistakes: Diagnostics =
            selection.unmatched.iter().map(|part| self.unmatched(part, &span.narrowed_to(part))).collect();
        if selection.hosts.is_empty() && mistakes.is_empty() {
            mistakes.push(Diagnostic::at(&span, "the limit leaves no host"));
        }
        mistakes.or_ok(selection.hosts)
    }

    /// The mistake that a part of a pattern matches no host, with the nearest names as a hint.
    #[must_use]
    pub fn unmatched(&self, part: &str, span: &Span) -> Diagnostic {
        let bare = part.trim_start_matches(['&', '!']);
        let name = bare.split('[').next().unwrap_or(bare);
        if self.group_hosts(name).is_some_and(<[_]>::is_empty) {
            return Diagnostic::at(span, format!("the group `{name}` has no hosts"));
        }
        let diagnostic = Diagnostic::at(span, format!("`{part}` matches no host of {}", self.source().path));
        if name == "localhost" {
            return diagnostic
                .hint("`localhost` isn't implicit; put it into the inventory with `ansible_connection: local`");
        }
        if let Some(count) = self.group_hosts(name).map(<[_]>::len).filter(|_| name != bare) {
            return diagnostic.hint(format!("the group `{name}` has {count} hosts, counted from 0"));
        }
        let known = self.hosts().iter().map(HostName::as_str).chain(self.groups().map(crate::model::GroupName::as_str));
        let near: Vec<String> = nearest(name, known).into_iter().map(|name| format!("`{name}`")).collect();
        if near.is_empty() {
            return diagnostic
                .hint("`converge` matches names of hosts and groups, `*` globs and `~` regular expressions");
        }
        diagnostic.hint(format!("did you mean {}?", near.join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::InventorySources;

    fn inventory() -> Inventory {
        let text = "manager: {hosts: {'mgr[1:2]': }}\nagent: {hosts: {'gpu[01:05]': }}\nedge: {hosts: {gpu05: , mgr2: , x: }}\nempty: {}\n";
        Inventory::parse(&InventorySources::of(Source::new("inv.yaml", text))).unwrap()
    }

    fn select(pattern: &str) -> String {
        let selection = Pattern::parse(pattern).unwrap().select(&inventory());
        let hosts: Vec<&str> = selection.hosts.iter().map(HostName::as_str).collect();
        let unmatched = if selection.unmatched.is_empty() {
            String::new()
        } else {
            format!(" ?{}", selection.unmatched.join(" ?"))
        };
        format!("{}{unmatched}", hosts.join(" "))
    }

    #[test]
    fn patterns_choose_hosts_in_inventory_order() {
        for (pattern, hosts) in [
            ("all", "mgr1 mgr2 gpu01 gpu02 gpu03 gpu04 gpu05 x"),
            ("*", "mgr1 mgr2 gpu01 gpu02 gpu03 gpu04 gpu05 x"),
            ("agent,mgr1", "mgr1 gpu01 gpu02 gpu03 gpu04 gpu05"),
            ("agent:manager", "mgr1 mgr2 gpu01 gpu02 gpu03 gpu04 gpu05"),
            ("agent:&edge", "gpu05"),
            ("&edge:agent", "gpu05"),
            ("!agent", "mgr1 mgr2 x"),
            ("!gpu05:edge:agent", "mgr2 gpu01 gpu02 gpu03 gpu04 x"),
            ("gpu*:!gpu0?", ""),
            ("gp*3", "gpu03"),
            ("a*", "mgr1 mgr2 gpu01 gpu02 gpu03 gpu04 gpu05 x"),
            ("ag*", "gpu01 gpu02 gpu03 gpu04 gpu05"),
            ("~gpu0[1:3],x", "gpu01 gpu03 x"),
            ("~(mgr|x)", "mgr1 mgr2 x"),
            ("agent[0]", "gpu01"),
            ("agent[-1]", "gpu05"),
            ("agent[1:2]", "gpu02 gpu03"),
            ("agent[3:]", "gpu04 gpu05"),
            ("agent[1:99]", "gpu02 gpu03 gpu04 gpu05"),
            ("agent[9]", " ?agent[9]"),
            ("agent:!typo", "gpu01 gpu02 gpu03 gpu04 gpu05 ?!typo"),
            ("empty", " ?empty"),
        ] {
            assert_eq!(select(pattern), hosts, "{pattern}");
        }
    }

    #[test]
    fn patterns_that_cant_be_read_say_why() {
        assert_eq!(Pattern::parse(" ,").unwrap_err(), PatternError::Empty);
        assert_eq!(Pattern::parse("a:!").unwrap_err(), PatternError::NoName("!".into()));
        assert!(matches!(Pattern::parse("~(x").unwrap_err(), PatternError::Regex { .. }));
        assert_eq!(Pattern::parse("a[b]").unwrap_err(), PatternError::Subscript("a[b]".into()));
    }

    #[test]
    fn a_limit_that_matches_nothing_is_a_mistake_with_the_nearest_names() {
        let limit = |text: &str| inventory().limit(text).map(|hosts| hosts.len()).map_err(|d| d.to_string());
        assert_eq!(limit("agent:mgr1"), Ok(6));
        assert_eq!(
            limit("mgr1,gpu0").unwrap_err(),
            "command line:1:14: `gpu0` matches no host of inv.yaml\n    1 | --limit mgr1,gpu0\n      |              ^^^^\n\
             hint: did you mean `gpu01` or `gpu02` or `gpu03`?"
        );
        assert!(limit("empty").unwrap_err().contains("the group `empty` has no hosts"));
        assert!(limit("agent:!agent").unwrap_err().contains("leaves no host"));
        assert!(limit("localhost").unwrap_err().contains("isn't implicit"));
        assert!(limit("agent[7]").unwrap_err().contains("has 5 hosts"));
    }
}
