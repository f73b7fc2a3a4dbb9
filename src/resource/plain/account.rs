//! `user` and `group`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::attributes::name;
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{AccountQuery, HostFacts, Observed, Query};
use crate::model::shell_quote as q;

const STATES: [(&str, bool); 2] = [("present", true), ("absent", false)];

/// The body of a `user` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSpec {
    /// Its name.
    pub name: String,
    /// Whether it is to be there.
    pub present: bool,
    /// Its number.
    pub uid: Option<u32>,
    /// Its primary group.
    pub group: Option<String>,
    /// Groups that it is to be in, beside others.
    pub groups: Vec<String>,
    /// Its home directory.
    pub home: Option<String>,
    /// Whether the home directory is made with it.
    pub create_home: bool,
    /// Its login shell.
    pub shell: Option<String>,
    /// What is written about it for people.
    pub comment: Option<String>,
    /// Whether it is a system's account.
    pub system: bool,
}

impl UserSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "user")?;
        fields.refuse(
            "password",
            || "`password` isn't a field of `user`".into(),
            "accounts of services need none; set those of people by hand",
        );
        fields.refuse(
            "remove",
            || "`remove` isn't a field of `user`".into(),
            "remove its home by a `file` with `state: absent`",
        );
        let named = fields.required("name", name);
        let present = fields.given("state", |node| super::one_of(node, &STATES)).unwrap_or(true);
        let uid = fields.given("uid", number);
        let group = fields.given("group", name);
        let groups = fields.given("groups", names).unwrap_or_default();
        if let Some(append) = fields.given("append", |node| node.as_bool().map(|append| (append, node.span.clone())))
            && !append.0
        {
            let message = "`append: no` would take the user out of groups that others put it into";
            fields.mistake(Diagnostic::at(&append.1, message).hint("remove the line: groups are added"));
        }
        let home = fields.given("home", super::path);
        let create_home = fields.given("create_home", Node::as_bool).unwrap_or(true);
        let shell = fields.given("shell", super::path);
        let comment = fields.given("comment", comment);
        let system = fields.given("system", Node::as_bool).unwrap_or(false);
        fields.build(|| {
            Some(Self { name: named?, present, uid, group, groups, home, create_home, shell, comment, system })
        })
    }

    fn query(&self) -> AccountQuery {
        AccountQuery::User(self.name.clone())
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        vec![Query::Account(self.query())]
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let account = match (facts.account(&self.query()), self.present) {
            (Observed::Unknown(reason), _) => return Verdict::Unknown(reason),
            (Observed::Absent, false) => return Verdict::InSync { state: "absent".into() },
            (Observed::Absent, true) => return Verdict::of("absent", vec!["absent -> present".into()]),
            (Observed::Known(account), false) => {
                return Verdict::of(format!("uid {}", account.id), vec![format!("uid {} -> absent", account.id)]);
            }
            (Observed::Known(account), true) => account,
        };
        let mut changes = Vec::new();
        let mut note = |what: &str, declared: Option<String>, found: &str| {
            if let Some(declared) = declared.filter(|declared| declared != found) {
                changes.push(format!("{what} {found} -> {declared}"));
            }
        };
        note("uid", self.uid.map(|uid| uid.to_string()), &account.id.to_string());
        note("group", self.group.clone(), &account.group);
        note("home", self.home.clone(), &account.home);
        note("shell", self.shell.clone(), &account.shell);
        note("comment", self.comment.clone(), &account.comment);
        let is_in = |name: &&String| account.groups.contains(name) || account.group == **name;
        let missing: Vec<&str> = self.groups.iter().filter(|name| !is_in(name)).map(String::as_str).collect();
        if !missing.is_empty() {
            changes.push(format!("not in {} -> in it", missing.join(", ")));
        }
        let groups: BTreeSet<&str> = account.groups.iter().map(String::as_str).collect();
        let groups = groups.into_iter().collect::<Vec<_>>().join(",");
        Verdict::of(
            format!("uid {} in {} and {groups}, {}, {}", account.id, account.group, account.home, account.shell),
            changes,
        )
    }

    pub(super) fn script(&self, facts: &HostFacts) -> String {
        let name = q(&self.name);
        if !self.present {
            return format!("userdel -- {name} || exit\n");
        }
        let is_there = matches!(facts.account(&self.query()), Observed::Known(_));
        let mut words = Vec::new();
        let mut option = |option: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("{option} {}", q(&value))));
        };
        option("-u", self.uid.map(|uid| uid.to_string()));
        option("-g", self.group.clone());
        option("-d", self.home.clone());
        option("-s", self.shell.clone());
        option("-c", self.comment.clone());
        option("-G", Some(self.groups.join(",")).filter(|groups| !groups.is_empty()));
        if is_there {
            let append = if self.groups.is_empty() { "" } else { " -a" };
            return format!("usermod{append} {} -- {name} || exit\n", words.join(" "));
        }
        if self.system {
            words.push("-r".into());
        }
        words.push(if self.create_home { "-m" } else { "-M" }.into());
        format!("useradd {} -- {name} || exit\n", words.join(" "))
    }
}

/// The body of a `group` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Whether it is to be there.
    pub present: bool,
    /// Its number.
    pub gid: Option<u32>,
    /// Whether it is a system's group.
    pub system: bool,
}

impl GroupSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "group")?;
        let named = fields.required("name", name);
        let present = fields.given("state", |node| super::one_of(node, &STATES)).unwrap_or(true);
        let gid = fields.given("gid", number);
        let system = fields.given("system", Node::as_bool).unwrap_or(false);
        fields.build(|| Some(Self { name: named?, present, gid, system }))
    }

    fn query(&self) -> AccountQuery {
        AccountQuery::Group(self.name.clone())
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        vec![Query::Account(self.query())]
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        match (facts.account(&self.query()), self.present, self.gid) {
            (Observed::Unknown(reason), ..) => Verdict::Unknown(reason),
            (Observed::Absent, false, _) => Verdict::InSync { state: "absent".into() },
            (Observed::Absent, true, _) => Verdict::of("absent", vec!["absent -> present".into()]),
            (Observed::Known(found), false, _) => {
                Verdict::of(format!("gid {}", found.id), vec![format!("gid {} -> absent", found.id)])
            }
            (Observed::Known(found), true, Some(gid)) if found.id != gid => {
                Verdict::of(format!("gid {}", found.id), vec![format!("gid {} -> {gid}", found.id)])
            }
            (Observed::Known(found), true, _) => Verdict::InSync { state: format!("gid {}", found.id) },
        }
    }

    pub(super) fn script(&self, facts: &HostFacts) -> String {
        let name = q(&self.name);
        let gid = self.gid.map_or_else(String::new, |gid| format!("-g {gid} "));
        match (self.present, facts.account(&self.query())) {
            (false, _) => format!("groupdel -- {name} || exit\n"),
            (true, Observed::Known(_)) => format!("groupmod {gid}-- {name} || exit\n"),
            (true, Observed::Absent | Observed::Unknown(_)) => {
                format!("groupadd {}{gid}-- {name} || exit\n", if self.system { "-r " } else { "" })
            }
        }
    }
}

fn number(node: &Node) -> Result<u32, Diagnostic> {
    u32::try_from(node.as_i64()?).map_err(|_| node.unexpected("a number from 0 on"))
}

/// A colon would end the field of /etc/passwd.
fn comment(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_text()?;
    match text.contains([':', '\n']) {
        true => Err(Diagnostic::at(&node.span, "a comment can't hold colons or line breaks")),
        false => Ok(text),
    }
}

/// A list of names, or names with commas between them.
fn names(node: &Node) -> Result<Vec<String>, Diagnostics> {
    if node.as_list().is_err() {
        let text = node.as_filled_text()?;
        return Ok(text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect());
    }
    let mut mistakes = Diagnostics::new();
    let items = node.as_list()?;
    let read = items.iter().filter_map(|item| mistakes.keep(name(item))).collect();
    mistakes.or_ok(read)
}
