//! Waivers: an operator answers for one broken rule, by its code and with a reason. Nothing waives a mandatory rule, and
//! nothing waives everything.

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Severity, Waived};
use super::rule::{rule, rules};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Source, Span, did_you_mean, place_of};
use crate::model::Timestamp;

/// One waiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// The rule's code.
    pub rule: String,
    /// What of it; `None` waives the rule whatever it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Why.
    pub reason: String,
    /// Who answers for it; always there in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last day on which it holds, in UTC; always there in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Where it was written.
    pub origin: String,
}

impl Waiver {
    /// Whether it still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        let Some(expires) = self.expires else { return true };
        let today = jiff::Timestamp::from_second(now.0).map(|now| now.to_zoned(jiff::tz::TimeZone::UTC).date());
        today.is_ok_and(|today| today <= expires)
    }

    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.code
            && finding.severity == Severity::Waivable
            && self.about.as_ref().is_none_or(|about| finding.about.as_ref() == Some(about))
    }
}

/// Applies `waivers` to `findings`, and says which of them waived nothing.
pub(super) fn apply(findings: &mut [Finding], waivers: &[Waiver], now: Timestamp) {
    for finding in findings {
        let waiver = waivers.iter().find(|waiver| waiver.holds(now) && waiver.covers(finding));
        finding.waived = waiver.map(|waiver| Waived {
            reason: waiver.reason.clone(),
            owner: waiver.owner.clone(),
            origin: waiver.origin.clone(),
        });
    }
}

/// Waivers that no longer hold and would have been needed.
#[must_use]
pub fn expired<'a>(waivers: &'a [Waiver], findings: &[Finding], now: Timestamp) -> Vec<&'a Waiver> {
    waivers.iter().filter(|w| !w.holds(now) && findings.iter().any(|f| f.refuses() && w.covers(f))).collect()
}

/// Reads `CODE[@ABOUT]=REASON`, as on the command line.
///
/// # Errors
/// When the rule isn't known or is mandatory, or the reason is missing.
pub fn parse_waiver(argument: &str) -> Result<Waiver, Diagnostic> {
    let source = Source::command_line(argument);
    let span = Span::whole(&source);
    let wrong = |message: String| Diagnostic::at(&span, message);
    let (head, reason) = argument.split_once('=').unwrap_or((argument, ""));
    let (code, about) = match head.split_once('@') {
        Some((code, about)) => (code, Some(about.trim().to_owned())),
        None => (head, None),
    };
    let code = waivable(code.trim(), &span)?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(wrong("a waiver needs a reason".into()).hint(format!("--waive '{head}=why this is in order'")));
    }
    Ok(Waiver { rule: code, about, reason: reason.into(), owner: None, expires: None, origin: "--waive".into() })
}

/// Reads a file of waivers: a mapping with the list `waivers`, or the list itself. Each has `rule`, `reason`, `owner`,
/// `expires` (a date), and may be narrowed by `about`.
///
/// # Errors
/// Every mistake in it.
pub fn parse_waivers(source: &Arc<Source>) -> Result<Vec<Waiver>, Diagnostics> {
    let node = Node::parse(source)?;
    if node.is_null() {
        return Ok(Vec::new());
    }
    let mut mistakes = Diagnostics::new();
    let list = match node.as_mapping() {
        Ok(_) => {
            let mut fields = Fields::of(&node, "the file of waivers")?;
            let list = fields.required("waivers", |node| node.as_list().map(<[Node]>::to_vec));
            mistakes.keep(fields.build(|| list)).unwrap_or_default()
        }
        Err(_) => node.as_list()?.to_vec(),
    };
    let waivers = list.iter().filter_map(|node| mistakes.keep(waiver(node))).collect();
    mistakes.or_ok(waivers)
}

fn waiver(node: &Node) -> Result<Waiver, Diagnostics> {
    let mut fields = Fields::of(node, "a waiver")?;
    let rule = fields.required("rule", |node| waivable(node.as_str()?.trim(), &node.span));
    let about = fields.given("about", |node| node.as_release_text().map(|text| text.trim().to_owned()));
    let reason = fields.required("reason", Node::as_filled_text);
    let owner = fields.required("owner", Node::as_filled_text);
    let expires = fields.required("expires", date);
    let origin = place_of(&node.span);
    fields.build(|| {
        Some(Waiver { rule: rule?, about, reason: reason?, owner: Some(owner?), expires: Some(expires?), origin })
    })
}

fn date(node: &Node) -> Result<Date, Diagnostic> {
    let text = node.as_str()?.trim();
    text.parse().map_err(|_| Diagnostic::at(&node.span, format!("{text:?} is no date")).hint("write it as 2026-12-31"))
}

fn waivable(code: &str, span: &Span) -> Result<String, Diagnostic> {
    let all = rules();
    let codes = || all.iter().filter(|rule| rule.severity == Severity::Waivable).map(|rule| rule.code);
    match rule(code) {
        Some(rule) if rule.severity == Severity::Waivable => Ok(code.to_owned()),
        Some(_) => Err(Diagnostic::at(span, format!("the rule {code} is mandatory: nothing waives it"))
            .hint(format!("`converge explain {code}` says what to do"))),
        None => Err(Diagnostic::at(span, format!("there is no rule {code:?}"))
            .hint(did_you_mean(code, codes()).unwrap_or_else(|| "`converge explain` lists all rules".into()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostName;

    fn finding(code: &str, about: &str) -> Finding {
        Finding {
            code: code.into(),
            severity: rule(code).unwrap().severity,
            host: HostName::parse("h").unwrap(),
            component: "manager".into(),
            about: Some(about.into()),
            observed: String::new(),
            observed_at: None,
            rule: String::new(),
            source: String::new(),
            next: String::new(),
            declared_at: String::new(),
            declared_line: String::new(),
            waived: None,
        }
    }

    const FILE: &str = "
waivers:
  - rule: change-log
    about: \"23.9.10\"
    reason: read on Monday
    owner: kim@example.org
    expires: 1970-01-02
";

    #[test]
    fn a_waiver_waives_what_it_names_and_nothing_else() {
        let waivers = [parse_waiver("change-log@23.9.10=read by Kim").unwrap()];
        let mut findings =
            [finding("change-log", "23.9.10"), finding("change-log", "23.9.8"), finding("manual-step", "23.9.10")];
        apply(&mut findings, &waivers, Timestamp(0));
        let waived: Vec<bool> = findings.iter().map(|finding| !finding.refuses()).collect();
        assert_eq!(waived, [true, false, false]);
        assert_eq!(findings[0].waived.as_ref().unwrap().to_string(), "read by Kim (--waive)");
        // Without a narrower word it is for all of the rule, and never for a mandatory one.
        let mut forged = parse_waiver("change-log=x").unwrap();
        forged.rule = "downgrade".into();
        let mut findings = [finding("downgrade", "x")];
        apply(&mut findings, &[forged], Timestamp(0));
        assert!(findings[0].refuses());
    }

    #[test]
    fn a_waiver_of_a_file_has_an_owner_and_an_end() {
        let waivers = parse_waivers(&Source::new("waivers.yaml", FILE)).unwrap();
        let mut findings = [finding("change-log", "23.9.10")];
        const DAY: i64 = 86_400;
        apply(&mut findings, &waivers, Timestamp(2 * DAY - 1));
        assert_eq!(findings[0].waived.as_ref().unwrap().owner.as_deref(), Some("kim@example.org"));
        assert!(expired(&waivers, &findings, Timestamp(2 * DAY - 1)).is_empty());
        apply(&mut findings, &waivers, Timestamp(2 * DAY));
        assert!(findings[0].refuses());
        assert_eq!(expired(&waivers, &findings, Timestamp(2 * DAY)).len(), 1);
        assert_eq!(parse_waivers(&Source::new("w.yaml", "")).unwrap(), []);
    }

    #[test]
    fn mistakes_in_waivers_are_told_all_at_once() {
        let text =
            "waivers:\n  - {rule: change-lgo, reason: x, owner: y, expires: soon}\n  - {rule: downgrade, reason: x}\n";
        let shown = parse_waivers(&Source::new("waivers.yaml", text)).unwrap_err().to_string();
        for part in [
            "waivers.yaml:2:12: there is no rule \"change-lgo\"",
            "did you mean `change-log`",
            "\"soon\" is no date",
            "mandatory",
            "lacks `owner`",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        for (argument, part) in [
            ("change-log", "needs a reason"),
            ("all=x", "no rule"),
            ("schema-unsound=x", "mandatory"),
            ("change-log= ", "needs a reason"),
        ] {
            let shown = parse_waiver(argument).unwrap_err().to_string();
            assert!(shown.contains(part), "{shown}");
        }
    }
}
