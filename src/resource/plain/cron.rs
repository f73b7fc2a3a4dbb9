//! `cron`: an entry of a user's crontab, known by a comment above it.

use serde::{Deserialize, Serialize};

use super::attributes::name as user_name;
use super::{Differs, Verdict, preview};
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{CrontabQuery, HostFacts, Observed, Query};
use crate::model::shell_quote as q;

/// The body of a `cron` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronSpec {
    /// What the comment above the entry calls it.
    pub name: String,
    /// When: five fields as in crontab(5), or a word with `@`.
    pub when: String,
    /// The command.
    pub job: String,
    /// Whose crontab; `None` is the one that the session belongs to.
    pub user: Option<String>,
    /// Whether it is to be there.
    pub present: bool,
}

const FIELDS: [&str; 5] = ["minute", "hour", "day", "month", "weekday"];
const WORDS: [&str; 7] = ["reboot", "yearly", "annually", "monthly", "weekly", "daily", "hourly"];
/// What stands above the entry.
const MARK: &str = "# converge: ";

impl CronSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "cron")?;
        let name = fields.required("name", line);
        let present =
            fields.given("state", |node| super::one_of(node, &[("present", true), ("absent", false)])).unwrap_or(true);
        let job = fields.given("job", line);
        let user = fields.given("user", user_name);
        let special = fields.given("special_time", |node| super::one_of(node, &WORDS.map(|word| (word, word))));
        let parts: Vec<Option<String>> = FIELDS.iter().map(|field| fields.given(field, part)).collect();
        if special.is_some() && parts.iter().any(Option::is_some) {
            fields.mistake(Diagnostic::at(&node.span, "`special_time` and the single fields exclude each other"));
        }
        if present && job.is_none() {
            fields.mistake(Diagnostic::at(&node.span, "`cron` lacks `job`").hint("the command that is to be run"));
        }
        let when = match special {
            Some(word) => format!("@{word}"),
            None => parts.into_iter().map(|part| part.unwrap_or_else(|| "*".into())).collect::<Vec<_>>().join(" "),
        };
        fields.build(|| Some(Self { name: name?, when, job: job.unwrap_or_default(), user, present }))
    }

    fn query(&self) -> CrontabQuery {
        CrontabQuery { user: self.user.clone() }
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        vec![Query::Crontab(self.query())]
    }

    fn mark(&self) -> String {
        format!("{MARK}{}", self.name)
    }

    /// The crontab as it should be.
    fn edited(&self, before: &[String]) -> Vec<String> {
        let mark = self.mark();
        let mut lines = before.to_vec();
        let at = lines.iter().position(|line| *line == mark);
        if let Some(at) = at {
            lines.drain(at..(at + 2).min(lines.len()));
        }
        if self.present {
            let at = at.unwrap_or(lines.len());
            lines.splice(at..at, [mark, format!("{} {}", self.when, self.job)]);
        }
        lines
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let before = match facts.crontab(&self.query()) {
            Observed::Unknown(reason) => return Verdict::Unknown(reason),
            Observed::Absent => &[][..],
            Observed::Known(crontab) => crontab.lines.as_slice(),
        };
        let after = self.edited(before);
        let mark = self.mark();
        let found = before.iter().position(|line| *line == mark).and_then(|at| before.get(at + 1));
        let state = found.cloned().unwrap_or_else(|| "absent".into());
        if after == before {
            return Verdict::InSync { state };
        }
        let changes = vec![format!(
            "{state} -> {}",
            if self.present { format!("{} {}", self.when, self.job) } else { "absent".into() }
        )];
        let text = |lines: &[String]| lines.iter().fold(String::new(), |text, line| text + line + "\n");
        let path = format!("crontab of {}", self.user.as_deref().unwrap_or("the session's user"));
        let preview = preview::unified(&path, Some(text(before).as_bytes()), Some(text(&after).as_bytes()));
        Verdict::Differs(Differs { state, changes, preview: Some(preview) })
    }

    pub(super) fn script(&self, facts: &HostFacts) -> String {
        let before = match facts.crontab(&self.query()) {
            Observed::Known(crontab) => crontab.lines.clone(),
            Observed::Absent | Observed::Unknown(_) => Vec::new(),
        };
        let text = self.edited(&before).iter().fold(String::new(), |text, line| text + line + "\n");
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("-u {} ", q(user)));
        format!("printf %s {} | crontab {user}- || exit\n", q(&text))
    }
}

/// A text in one line.
fn line(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    match text.contains('\n') {
        true => Err(Diagnostic::at(&node.span, "an entry of a crontab is one line")),
        false => Ok(text),
    }
}

/// One field of crontab(5).
fn part(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '/' | '-' | ',' | '~');
    match text.chars().all(fine) {
        true => Ok(text),
        false => Err(Diagnostic::at(&node.span, format!("\"{text}\" is no field of a crontab")).hint("see crontab(5)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn spec(text: &str) -> Result<CronSpec, Diagnostics> {
        CronSpec::read(&Node::parse(&Source::new("t.yaml", text)).unwrap())
    }

    #[test]
    fn only_its_own_entry_is_touched() {
        let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let nightly = spec("{name: nightly, job: converge drift, minute: '15', hour: 2}").unwrap();
        let before = lines(&["MAILTO=x", "5 4 * * * other"]);
        let after = nightly.edited(&before);
        assert_eq!(after, lines(&["MAILTO=x", "5 4 * * * other", "# converge: nightly", "15 2 * * * converge drift"]));
        assert_eq!(nightly.edited(&after), after);
        let weekly = spec("{name: nightly, job: converge drift, special_time: weekly}").unwrap();
        assert_eq!(weekly.edited(&after)[3], "@weekly converge drift");
        assert_eq!(spec("{name: nightly, state: absent}").unwrap().edited(&after), before);
        for text in [
            "{name: x}",
            "{name: x, job: y, minute: 'a b'}",
            "{name: x, job: y, special_time: daily, hour: 1}",
            "{name: x, job: \"a\\nb\"}",
        ] {
            assert!(spec(text).is_err(), "{text}");
        }
    }
}
