//! Host patterns: `manager`, `agent:!gpu03`, `gpu*`, `~gpu0[1-4]`, `agent[0:2]`.

use std::collections::BTreeSet;

use regex::Regex;

use super::Inventory;
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
    /// `a:!b,c`: Ansible takes `a:!b` for one name then, which matches nothing.
    #[error("`{0}`: where a comma separates, colons and blanks don't; write commas only")]
    Mixed(String),
    /// `a[0`
    #[error("`{0}`: its brackets don't match")]
    Brackets(String),
    /// Not a regular expression, or not a glob, which becomes one.
    #[error("`{text}` isn't a regular expression: {reason}")]
    Regex {
        /// The part of the pattern.
        text: String,
        /// What the compiler of regular expressions says, its last line.
        reason: String,
    },
    /// `group[1-3]` or `group[3:1]`.
    #[error(
        "`{0}`: hosts are counted by [number] or [first:last], both included; for digits in names write ~web[1-3] or web[123]*"
    )]
    Subscript(String),
}

/// How a part changes what was chosen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Add,
    Intersect,
    Exclude,
}

/// What the names of hosts and groups are held against.
#[derive(Debug, Clone)]
enum Matcher {
    Name(String),
    /// A glob or regular expression.
    Regex(Regex),
}

impl Matcher {
    fn is_match(&self, name: &str) -> bool {
        match self {
            Self::Name(text) => text == name,
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

/// Which of the matched hosts are meant, counted from 0; negative from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscript {
    Whole,
    One(i64),
    /// Both ends included.
    Range(usize, Option<usize>),
}

/// One part of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) text: String,
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
    /// The hosts, in the order in which the parts of the pattern name them; those of a group in its order.
    pub hosts: Vec<HostName>,
    /// Parts of the pattern, as written, that match no host at all.
    pub unmatched: Vec<String>,
}

impl Pattern {
    /// Parses a pattern. Parts are separated by `,`; where there is none, by `:` outside of brackets or by blanks.
    /// Whatever their order, plain parts add hosts, `&` parts then intersect and `!` parts exclude; without plain
    /// parts, `all` is what they start from.
    ///
    /// # Errors
    /// When it is empty or a part can't be read.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let parts = split(text)?.into_iter().map(|part| Part::parse(&part)).collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Err(PatternError::Empty);
        }
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
            [Part { operation: Operation::Add, matcher: Matcher::Name(name), subscript: Subscript::Whole, .. }]
                if name != "all" =>
            {
                Some(name)
            }
            _ => None,
        }
    }

    /// The hosts that the pattern chooses.
    #[must_use]
    pub fn select(&self, inventory: &Inventory) -> Selection {
        select(&self.parts.iter().collect::<Vec<_>>(), inventory)
    }
}

/// The hosts that the parts choose together, by Ansible's rules, in Ansible's order.
pub(super) fn select(parts: &[&Part], inventory: &Inventory) -> Selection {
    let mut unmatched = Vec::new();
    let mut chosen: Vec<&HostName> = Vec::new();
    if parts.iter().all(|part| part.operation != Operation::Add) {
        chosen.extend(inventory.hosts());
    }
    let mut ordered = parts.to_vec();
    ordered.sort_by_key(|part| part.operation);
    for part in ordered {
        let hosts = part.hosts(inventory);
        if hosts.is_empty() {
            unmatched.push(part.text.clone());
        }
        let among: BTreeSet<&HostName> = hosts.iter().copied().collect();
        match part.operation {
            Operation::Add => chosen.extend(hosts),
            Operation::Intersect => chosen.retain(|host| among.contains(host)),
            Operation::Exclude => chosen.retain(|host| !among.contains(host)),
        }
    }
    let mut seen = BTreeSet::new();
    let hosts = chosen.into_iter().filter(|host| seen.insert(*host)).cloned().collect();
    Selection { hosts, unmatched }
}

impl Part {
    /// Parses one part.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
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
                    glob if glob.contains(['*', '?', '[']) => {
                        Matcher::Regex(compile(text, &format!("^(?s:{})$", super::glob::expression(glob)))?)
                    }
                    name => Matcher::Name(name.to_owned()),
                };
                (matcher, subscript)
            }
        };
        Ok(Self { text: text.to_owned(), operation, matcher, subscript })
    }

    /// The matched hosts. One that is matched in several ways is there several times, and counts as often.
    fn hosts<'i>(&self, inventory: &'i Inventory) -> Vec<&'i HostName> {
        if self.operation == Operation::Add
            && let Some(host) = inventory.host(&self.text)
        {
            return vec![host];
        }
        let groups = inventory.groups_in_order().iter().filter(|group| self.matcher.is_match(group.as_str()));
        let groups: Vec<&[HostName]> = groups.filter_map(|group| inventory.group_hosts(group.as_str())).collect();
        let mut matched: Vec<&HostName> = groups.iter().copied().flatten().collect();
        let is_plain = matches!(&self.matcher, Matcher::Name(name) if !name.contains('.'));
        if groups.is_empty() || !is_plain {
            matched.extend(inventory.mentioned().iter().filter(|host| self.matcher.is_match(host.as_str())));
        }
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

/// Splits at commas; where there is none, at blanks and at colons outside of brackets.
pub(super) fn split(text: &str) -> Result<Vec<String>, PatternError> {
    let parts: Vec<String> = match text.contains(',') {
        true => text.split(',').map(|part| part.trim().to_owned()).collect(),
        false => split_at_colons(text)?,
    };
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if text.contains(',')
        && let Some(mixed) = parts.iter().find(|part| {
            !part.trim_start_matches(['&', '!']).starts_with('~')
                && split_at_colons(part).is_ok_and(|parts| parts.len() > 1)
        })
    {
        return Err(PatternError::Mixed(mixed.clone()));
    }
    Ok(parts)
}

fn split_at_colons(text: &str) -> Result<Vec<String>, PatternError> {
    let mut parts = vec![String::new()];
    let mut in_brackets = false;
    for c in text.chars() {
        match c {
            ':' if !in_brackets => {
                parts.push(String::new());
                continue;
            }
            c if c.is_whitespace() && !in_brackets => {
                parts.push(String::new());
                continue;
            }
            ']' if !in_brackets => return Err(PatternError::Brackets(text.to_owned())),
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    if in_brackets { Err(PatternError::Brackets(text.to_owned())) } else { Ok(parts) }
}

fn compile(text: &str, expression: &str) -> Result<Regex, PatternError> {
    regex::RegexBuilder::new(expression).size_limit(REGEX_SIZE).build().map_err(|error| {
        let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        PatternError::Regex { text: text.to_owned(), reason }
    })
}

/// `name[1]` or `name[1:3]`; other brackets at the end are a glob's.
fn parse_subscript(text: &str) -> Result<(&str, Subscript), PatternError> {
    let whole = Ok((text, Subscript::Whole));
    let Some((name, inner)) = text.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) else { return whole };
    let wrong = || PatternError::Subscript(text.to_owned());
    let is_number = |digits: &str| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    if name.is_empty() {
        return Err(wrong());
    }
    if is_number(inner.strip_prefix('-').unwrap_or(inner)) {
        return Ok((name, Subscript::One(inner.parse().map_err(|_| wrong())?)));
    }
    let Some((first, last)) = inner.split_once([':', '-']) else { return whole };
    if !is_number(first) || !(last.is_empty() || is_number(last)) {
        return whole;
    }
    let first: usize = first.parse().map_err(|_| wrong())?;
    let last: Option<usize> = if last.is_empty() { None } else { Some(last.parse().map_err(|_| wrong())?) };
    if inner.contains('-') || last.is_some_and(|last| last < first) {
        return Err(wrong());
    }
    Ok((name, Subscript::Range(first, last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
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
    fn patterns_choose_hosts_in_the_order_in_which_they_name_them() {
        for (pattern, hosts) in [
            ("all", "mgr1 mgr2 gpu01 gpu02 gpu03 gpu04 gpu05 x"),
            ("*", "mgr1 mgr2 gpu01 gpu02 gpu03 gpu04 gpu05 x"),
            ("agent,mgr1", "gpu01 gpu02 gpu03 gpu04 gpu05 mgr1"),
            ("agent:manager", "gpu01 gpu02 gpu03 gpu04 gpu05 mgr1 mgr2"),
            ("mgr2 mgr1", "mgr2 mgr1"),
            ("agent:&edge", "gpu05"),
            ("&edge:agent", "gpu05"),
            ("!agent", "mgr1 mgr2 x"),
            ("!gpu05:edge:agent", "mgr2 x gpu01 gpu02 gpu03 gpu04"),
            ("gpu*:!gpu0?", ""),
            ("gp*3", "gpu03"),
            ("a*", "mgr1 mgr2 gpu01 gpu02 gpu03 gpu04 gpu05 x"),
            ("ag*", "gpu01 gpu02 gpu03 gpu04 gpu05"),
            ("~gpu0[1:3],x", "gpu01 gpu03 x"),
            ("~gpu0[1-3]:x", "gpu01 gpu02 gpu03 x"),
            ("gpu0[13]*", "gpu01 gpu03"),
            ("gpu0[!1-3]*", "gpu04 gpu05"),
            ("gpu[0][ab5]", "gpu05"),
            // `all` matches as well, and every host counts once for each of the two.
            ("a*[8]", "gpu01"),
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
        assert_eq!(Pattern::parse("a[1-3]").unwrap_err(), PatternError::Subscript("a[1-3]".into()));
        assert_eq!(Pattern::parse("a[3:1]").unwrap_err(), PatternError::Subscript("a[3:1]".into()));
        assert_eq!(Pattern::parse("a:!b,c").unwrap_err(), PatternError::Mixed("a:!b".into()));
        assert_eq!(Pattern::parse("a[0").unwrap_err(), PatternError::Brackets("a[0".into()));
    }
}
