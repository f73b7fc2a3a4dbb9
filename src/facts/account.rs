//! A user or a group of a host.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};

/// Which user or group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "of", content = "name", rename_all = "kebab-case")]
pub enum AccountQuery {
    /// A user of this name.
    User(String),
    /// A group of this name.
    Group(String),
}

/// What the host's name service says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user's or the group's number.
    pub id: u32,
    /// The user's home directory.
    pub home: String,
    /// The user's login shell.
    pub shell: String,
    /// What is written for people about the user.
    pub comment: String,
    /// The user's primary group, by name.
    pub group: String,
    /// The user's other groups, by name.
    pub groups: Vec<String>,
}

/// getent(1) exits with 2 where there is none of that name.
pub(super) const FUNCTION: &str = r#"ac() {
o=$(getent "$1" "$2" 2>&1) || { r=$?; [ $r = 2 ] && e absent 1 || e unknown "getent exited with $r: $o"; return; }
e entry "$o"; [ "$1" = passwd ] || return 0
e group "$(id -gn -- "$2" 2>/dev/null)"; e groups "$(id -Gn -- "$2" 2>/dev/null)"
}
"#;

pub(super) fn call(query: &AccountQuery) -> String {
    match query {
        AccountQuery::User(name) => format!("ac passwd {}", quote(name)),
        AccountQuery::Group(name) => format!("ac group {}", quote(name)),
    }
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Account> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    let fields: Vec<&str> = answer.get("entry").unwrap_or_default().split(':').collect();
    let field = |number: usize| fields.get(number).copied().unwrap_or_default().to_owned();
    let Some(Ok(id)) = fields.get(2).map(|id| id.parse()) else {
        return Observed::Unknown("getent printed something else than a user or a group".into());
    };
    let group = answer.get("group").unwrap_or_default().to_owned();
    let all = answer.get("groups").unwrap_or_default().split(' ');
    let groups = all.filter(|name| !name.is_empty() && *name != group).map(str::to_owned).collect();
    Observed::Known(Account { id, home: field(5), shell: field(6), comment: field(4), group, groups })
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    #[test]
    fn users_and_groups_are_read() {
        let read = |records: &[(&str, &str)]| {
            let records = records.iter().map(|(key, value)| Record { key, value }).collect();
            parse(&Answer { records, clock: Clock::default() })
        };
        let user =
            read(&[("entry", "bai:x:1100:1100:B:/home/bai:/bin/sh"), ("group", "bai"), ("groups", "bai docker")]);
        let user = user.known().unwrap();
        assert_eq!(
            (user.id, user.home.as_str(), user.groups.as_slice()),
            (1100, "/home/bai", &["docker".to_owned()][..])
        );
        assert_eq!(read(&[("entry", "docker:x:999:bai")]).known().unwrap().id, 999);
        assert_eq!(read(&[("absent", "1")]), Observed::Absent);
        assert!(read(&[("entry", "hello")]).unknown().is_some());
    }
}
