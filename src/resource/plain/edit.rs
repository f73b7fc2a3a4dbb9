//! `line` and `block`: some lines of a file that is otherwise somebody else's.

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::attributes::in_words;
use super::write::Writing;
use super::{Differs, Verdict, preview};
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{Contents, HostFacts, LONGEST_CONTENT, Observed, Query, Stat, StatKind, StatQuery};
use crate::model::Digest;

/// Whether lines are to be there.
const STATES: [(&str, bool); 2] = [("present", true), ("absent", false)];

/// Where a new line goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// To the end.
    End,
    /// To the beginning.
    Beginning,
    /// Behind the last line that matches; to the end where none does.
    After(String),
    /// Before the last line that matches; to the end where none does.
    Before(String),
}

impl Place {
    fn read(fields: &mut Fields<'_>) -> Self {
        let after = fields.given("insertafter", pattern);
        let before = fields.given("insertbefore", pattern);
        match (after, before) {
            (Some(_), Some(_)) => {
                let node = fields.whole();
                fields.mistake(Diagnostic::at(&node.span, "`insertafter` and `insertbefore` exclude each other"));
                Self::End
            }
            (Some(after), None) if after != "EOF" => Self::After(after),
            (None, Some(before)) if before == "BOF" => Self::Beginning,
            (None, Some(before)) => Self::Before(before),
            (Some(_), None) | (None, None) => Self::End,
        }
    }

    /// The number of the line before which something goes.
    fn index(&self, lines: &[&str]) -> usize {
        let last = |pattern: &str| {
            let pattern = Regex::new(pattern).ok()?;
            lines.iter().rposition(|line| pattern.is_match(line))
        };
        match self {
            Self::End => lines.len(),
            Self::Beginning => 0,
            Self::After(pattern) => last(pattern).map_or(lines.len(), |at| at + 1),
            Self::Before(pattern) => last(pattern).unwrap_or(lines.len()),
        }
    }
}

/// A regular expression.
fn pattern(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    Regex::new(&text).map_err(|error| {
        let last = error.to_string().lines().last().unwrap_or_default().to_owned();
        Diagnostic::at(&node.span, format!("\"{text}\" isn't a regular expression: {last}"))
            .hint("the syntax is that of Rust's regex: no look-around and no backreferences")
    })?;
    Ok(text)
}

/// The body of a `line` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSpec {
    /// The file.
    pub path: String,
    /// The line, without its end.
    pub line: Option<String>,
    /// What it replaces, or what is removed: the last line that matches, or all of them.
    pub regexp: Option<String>,
    /// Whether it is to be there.
    pub present: bool,
    /// Where it goes where nothing is replaced.
    pub place: Place,
    /// Whether a file that isn't there is made.
    pub create: bool,
    /// How the file gets to its place.
    #[serde(flatten)]
    pub writing: Writing,
}

impl LineSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "line")?;
        fields.refuse(
            "backrefs",
            || "`backrefs` isn't a field of `line`".into(),
            "write the whole line, or use `template`",
        );
        let path = fields.required("path", super::path);
        let line = fields.given("line", one_line);
        let regexp = fields.given("regexp", pattern);
        let present = fields.given("state", |node| super::one_of(node, &STATES)).unwrap_or(true);
        let place = Place::read(&mut fields);
        let create = fields.given("create", Node::as_bool).unwrap_or(false);
        let writing = Writing::read(&mut fields);
        match (present, &line, &regexp) {
            (true, None, _) => fields.mistake(Diagnostic::at(&node.span, "`line` lacks `line`")),
            (false, None, None) => {
                fields.mistake(
                    Diagnostic::at(&node.span, "nothing says which lines are to go").hint("`line` or `regexp`"),
                );
            }
            (true, Some(line), Some(regexp)) if !Regex::new(regexp).is_ok_and(|regexp| regexp.is_match(line)) => {
                // Otherwise the second run would add it once more.
                let message = "`regexp` doesn't match `line` itself, so that no second run would find it";
                fields.mistake(Diagnostic::at(&node.span, message).hint("let it match the line before and after"));
            }
            (true, Some(_), _) | (false, _, _) => {}
        }
        fields.build(|| Some(Self { path: path?, line, regexp, present, place, create, writing }))
    }

    /// The file as it should be.
    fn edited(&self, before: &str) -> String {
        let mut lines: Vec<&str> = before.lines().collect();
        let pattern = self.regexp.as_ref().and_then(|regexp| Regex::new(regexp).ok());
        let line = self.line.as_deref();
        if !self.present {
            let goes = |found: &str| match &pattern {
                Some(pattern) => pattern.is_match(found),
                None => Some(found) == line,
            };
            lines.retain(|found| !goes(found));
            return joined(&lines, before);
        }
        let line = line.unwrap_or_default();
        let replaced = pattern.and_then(|pattern| lines.iter().rposition(|found| pattern.is_match(found)));
        match (replaced, lines.contains(&line)) {
            (Some(at), _) => lines[at] = line,
            (None, true) => {}
            (None, false) => lines.insert(self.place.index(&lines), line),
        }
        joined(&lines, before)
    }
}

fn one_line(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_text()?;
    match text.contains('\n') {
        true => Err(Diagnostic::at(&node.span, "a line has no line breaks in it").hint("`block` is for several lines")),
        false => Ok(text),
    }
}

/// Lines as a file; one that had no last line break before gets one only where something changed.
fn joined(lines: &[&str], before: &str) -> String {
    if lines.iter().copied().eq(before.lines()) {
        return before.to_owned();
    }
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// The body of a `block` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockSpec {
    /// The file.
    pub path: String,
    /// The lines.
    pub block: String,
    /// The lines around it; `{mark}` is BEGIN or END.
    pub marker: String,
    /// Whether it is to be there.
    pub present: bool,
    /// Where it goes where there is none yet.
    pub place: Place,
    /// Whether a file that isn't there is made.
    pub create: bool,
    /// How the file gets to its place.
    #[serde(flatten)]
    pub writing: Writing,
}

impl BlockSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "block")?;
        let path = fields.required("path", super::path);
        let block = fields.optional("block", Node::as_text).unwrap_or_default();
        let marker = fields.given("marker", marker).unwrap_or_else(|| "# {mark} MANAGED BY CONVERGE".into());
        let present = fields.given("state", |node| super::one_of(node, &STATES)).unwrap_or(true);
        let place = Place::read(&mut fields);
        let create = fields.given("create", Node::as_bool).unwrap_or(false);
        let writing = Writing::read(&mut fields);
        let inside = |mark: &str| block.lines().any(|line| line == marker.replace("{mark}", mark));
        if inside("BEGIN") || inside("END") {
            fields
                .mistake(Diagnostic::at(&node.span, "the block holds its own marker").hint("give it another `marker`"));
        }
        let present = present && !block.is_empty();
        fields.build(|| Some(Self { path: path?, block, marker, present, place, create, writing }))
    }

    fn mark(&self, word: &str) -> String {
        self.marker.replace("{mark}", word)
    }

    /// The file as it should be.
    fn edited(&self, before: &str) -> Result<String, String> {
        let mut lines: Vec<&str> = before.lines().collect();
        let (begin, end) = (self.mark("BEGIN"), self.mark("END"));
        let at = |mark: &str| lines.iter().position(|line| *line == mark);
        let place = match (at(&begin), at(&end)) {
            (None, None) => None,
            (Some(first), Some(last)) if first < last => Some((first, last)),
            (Some(_) | None, Some(_) | None) => {
                return Err(format!(
                    "of its markers {begin:?} and {end:?} one is missing, or they are the wrong way round"
                ));
            }
        };
        if let Some((first, last)) = place {
            lines.drain(first..=last);
        }
        if self.present {
            let at = place.map_or_else(|| self.place.index(&lines), |(first, _)| first);
            let new: Vec<&str> = [begin.as_str()].into_iter().chain(self.block.lines()).chain([end.as_str()]).collect();
            lines.splice(at..at, new);
        }
        Ok(joined(&lines, before))
    }
}

fn marker(node: &Node) -> Result<String, Diagnostic> {
    let text = one_line(node)?;
    match text.contains("{mark}") {
        true => Ok(text),
        false => Err(Diagnostic::at(&node.span, "`marker` lacks {mark}").hint("as in `marker: \"; {mark} pools\"`")),
    }
}

/// What is the same for both.
trait Edits {
    fn file(&self) -> &str;
    fn creates(&self) -> bool;
    fn writing(&self) -> &Writing;
    fn after(&self, before: &str) -> Result<String, String>;
    /// Whether nothing is to be there, so that a file that is absent is right.
    fn removes(&self) -> bool;

    fn query(&self) -> StatQuery {
        StatQuery { path: self.file().to_owned(), content: Contents::Wanted }
    }

    fn compare(&self, facts: &HostFacts) -> Verdict {
        let path = self.file();
        let (before, stat): (Option<&[u8]>, Option<&Stat>) = match facts.stat(&self.query()) {
            Observed::Unknown(reason) => return Verdict::Unknown(reason),
            Observed::Absent if self.removes() => return Verdict::InSync { state: "absent".into() },
            Observed::Absent if !self.creates() => {
                return Verdict::Refused {
                    observed: format!("{path} isn't there"),
                    next: "say `create: yes` if it is to be made, or make it by `copy` or `template`".into(),
                };
            }
            Observed::Absent => (None, None),
            Observed::Known(stat) => match &stat.kind {
                StatKind::File { content: Some(content), .. } => (Some(content), Some(stat)),
                StatKind::File { content: None, .. } => {
                    return Verdict::Refused {
                        observed: format!(
                            "{path} has {} bytes, and more than {LONGEST_CONTENT} aren't edited",
                            stat.bytes
                        ),
                        next: "use `copy` or `template` for it".into(),
                    };
                }
                kind @ (StatKind::Directory | StatKind::Link(_) | StatKind::Other(_)) => {
                    return super::file::in_the_way(path, kind);
                }
            },
        };
        let state = match (before, stat) {
            (Some(content), Some(stat)) => format!("{} {}", Digest::of(content).short(), in_words(stat)),
            (Some(_) | None, Some(_) | None) => "absent".to_owned(),
        };
        let Ok(text) = std::str::from_utf8(before.unwrap_or_default()) else {
            return Verdict::Refused { observed: format!("{path} isn't UTF-8"), next: "edit it by hand".into() };
        };
        let after = match self.after(text) {
            Ok(after) => after,
            Err(observed) => {
                return Verdict::Refused {
                    observed: format!("{path}: {observed}"),
                    next: "mend the markers by hand".into(),
                };
            }
        };
        let mut changes = stat.map(|stat| self.writing().attributes.changes(stat)).unwrap_or_default();
        if after == text && before.is_some() {
            return Verdict::of(state, changes);
        }
        changes.insert(0, if before.is_some() { "content".to_owned() } else { "absent -> a file".to_owned() });
        let preview = Some(preview::unified(path, before, Some(after.as_bytes())));
        Verdict::Differs(Differs { state, changes, preview })
    }

    fn rewrite(&self, facts: &HostFacts) -> String {
        let before = match facts.stat(&self.query()) {
            Observed::Known(Stat { kind: StatKind::File { content: Some(content), .. }, .. }) => content.as_slice(),
            Observed::Known(_) | Observed::Absent | Observed::Unknown(_) => &[],
        };
        match std::str::from_utf8(before).map_err(|error| error.to_string()).and_then(|text| self.after(text)) {
            Ok(after) => self.writing().script(self.file(), after.as_bytes()),
            Err(reason) => format!("echo {} >&2; exit 1\n", crate::model::shell_quote(&reason)),
        }
    }
}

impl Edits for LineSpec {
    fn file(&self) -> &str {
        &self.path
    }
    fn creates(&self) -> bool {
        self.create
    }
    fn writing(&self) -> &Writing {
        &self.writing
    }
    fn after(&self, before: &str) -> Result<String, String> {
        Ok(self.edited(before))
    }
    fn removes(&self) -> bool {
        !self.present
    }
}

impl Edits for BlockSpec {
    fn file(&self) -> &str {
        &self.path
    }
    fn creates(&self) -> bool {
        self.create
    }
    fn writing(&self) -> &Writing {
        &self.writing
    }
    fn after(&self, before: &str) -> Result<String, String> {
        self.edited(before)
    }
    fn removes(&self) -> bool {
        !self.present
    }
}

macro_rules! edits {
    ($spec:ty) => {
        impl $spec {
            pub(super) fn queries(&self) -> Vec<Query> {
                vec![Query::Stat(self.query())]
            }

            pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
                self.compare(facts)
            }

            pub(super) fn script(&self, facts: &HostFacts) -> String {
                self.rewrite(facts)
            }
        }
    };
}

edits!(LineSpec);
edits!(BlockSpec);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn node(text: &str) -> Node {
        Node::parse(&Source::new("t.yaml", text)).unwrap()
    }

    fn line(text: &str, before: &str) -> String {
        let spec = LineSpec::read(&node(&format!("{{path: /etc/x, {text}}}"))).unwrap();
        let after = spec.edited(before);
        assert_eq!(spec.edited(&after), after, "a second time: {text}");
        after
    }

    #[test]
    fn a_line_is_replaced_added_or_removed_and_nothing_else_changes() {
        let file = "a=1\nb=2\n#c\n";
        assert_eq!(line("line: b=2", file), file);
        assert_eq!(line("line: b=3, regexp: '^b='", file), "a=1\nb=3\n#c\n");
        assert_eq!(line("line: d=4", file), "a=1\nb=2\n#c\nd=4\n");
        assert_eq!(line("line: d=4, insertafter: '^a='", file), "a=1\nd=4\nb=2\n#c\n");
        assert_eq!(line("line: d=4, insertbefore: '^b'", file), "a=1\nd=4\nb=2\n#c\n");
        assert_eq!(line("line: d=4, insertbefore: BOF", file), "d=4\na=1\nb=2\n#c\n");
        assert_eq!(line("line: d=4, insertafter: nothing", "x"), "x\nd=4\n");
        assert_eq!(line("regexp: '=', state: absent", file), "#c\n");
        assert_eq!(line("line: b=2, state: absent", "b=2\nb=22\n"), "b=22\n");
        assert_eq!(line("line: x", ""), "x\n");
        for (text, expected) in [
            ("line: b, regexp: '^c'", "no second run would find it"),
            ("state: absent", "nothing says which lines"),
            ("line: \"a\\nb\"", "no line breaks"),
            ("line: a, regexp: '('", "isn't a regular expression"),
            ("line: a, insertafter: a, insertbefore: b", "exclude each other"),
            ("regexp: a", "lacks `line`"),
            ("line: a, backrefs: yes", "`backrefs` isn't"),
        ] {
            let shown = LineSpec::read(&node(&format!("{{path: /etc/x, {text}}}"))).unwrap_err().to_string();
            assert!(shown.contains(expected), "{text}: {shown}");
        }
    }

    #[test]
    fn a_block_keeps_its_place() {
        let block = |text: &str, before: &str| {
            let spec = BlockSpec::read(&node(&format!("{{path: /etc/x, {text}}}"))).unwrap();
            let after = spec.edited(before).unwrap();
            assert_eq!(spec.edited(&after).unwrap(), after, "a second time: {text}");
            after
        };
        let marked = "a\n# BEGIN MANAGED BY CONVERGE\nx\n# END MANAGED BY CONVERGE\n";
        assert_eq!(block("block: x", "a\n"), marked);
        assert_eq!(block("block: \"y\\nz\"", &format!("{marked}b\n")), marked.replace('x', "y\nz") + "b\n");
        assert_eq!(block("block: x, state: absent", marked), "a\n");
        assert_eq!(block("block: ''", marked), "a\n");
        assert_eq!(block("block: x, marker: '; {mark}', insertbefore: BOF", "a\n"), "; BEGIN\nx\n; END\na\n");
        let spec = BlockSpec::read(&node("{path: /etc/x, block: x}")).unwrap();
        assert!(spec.edited("# BEGIN MANAGED BY CONVERGE\n").is_err());
        assert!(BlockSpec::read(&node("{path: /etc/x, block: x, marker: y}")).is_err());
        assert!(BlockSpec::read(&node("{path: /etc/x, block: '# END MANAGED BY CONVERGE'}")).is_err());
    }
}
