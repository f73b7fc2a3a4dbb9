//! What lies at a path: its type, mode and owners, and its content where that matters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::model::{Digest, Timestamp};

/// Which path, and how much of what lies there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatQuery {
    /// An absolute path. A link is looked at itself, not what it leads to.
    pub path: String,
    /// Whether the content is wanted as well.
    pub content: Contents,
}

/// Whether a content is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contents {
    /// It doesn't matter.
    Skipped,
    /// Only its sum, and itself where the sum is another one.
    Unless(Digest),
    /// Itself.
    Wanted,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// What it is.
    pub kind: StatKind,
    /// Permission bits, with set-user-id and its like.
    pub mode: u32,
    /// The owner's name, or number where it has none.
    pub owner: String,
    /// The group's name, or number where it has none.
    pub group: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When its content last changed, by the host's clock.
    pub modified: Timestamp,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatKind {
    /// A regular file.
    File {
        /// The sum of its content, where it was asked for.
        sha256: Option<Digest>,
        /// Its content, where it was asked for and isn't longer than [`LONGEST`].
        #[serde(with = "as_base64")]
        content: Option<Vec<u8>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link(String),
    /// A device, a socket, a pipe.
    Other(String),
}

/// A longer content isn't sent: what is configured by hand or template is far shorter.
pub const LONGEST: usize = 256 * 1024;

pub(super) fn function() -> String {
    format!(
        r#"st() {{
o=$(stat -c '%a %s %Y %U %G %u %g %F' -- "$1" 2>&1) || {{ case $o in *"No such file"*|*"Not a directory"*) e absent 1;; *) e unknown "stat: $o";; esac; return; }}
e stat "$o"
case $o in *"symbolic link") e link "$(readlink -- "$1")"; return;; *" regular"*) ;; *) return;; esac
[ "$2" ] || return 0
s=$(sha256sum <"$1" 2>/dev/null) || {{ e unknown "$1 can't be read"; return; }}
e sum "${{s%% *}}"
[ "$2" = "${{s%% *}}" ] || [ "$(stat -c %s -- "$1")" -gt {LONGEST} ] || e content "$(base64 <"$1" | tr -d '\n')"
}}
"#
    )
}

pub(super) fn call(query: &StatQuery) -> String {
    let content = match &query.content {
        Contents::Skipped => "''",
        Contents::Unless(sum) => sum.as_str(),
        Contents::Wanted => "-",
    };
    format!("st {} {content}", quote(&query.path))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Stat> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    let read = |line: &str| {
        let mut words = line.splitn(8, ' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let bytes = words.next()?.parse().ok()?;
        let modified = Timestamp(words.next()?.parse().ok()?);
        let (owner, group, uid, gid) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let named = |name: &str, number: &str| if name == "UNKNOWN" { number.to_owned() } else { name.to_owned() };
        let kind = match words.next()? {
            "directory" => StatKind::Directory,
            "symbolic link" => StatKind::Link(answer.get("link").unwrap_or_default().to_owned()),
            regular if regular.starts_with("regular") => StatKind::File {
                sha256: answer.get("sum").and_then(Digest::parse),
                content: answer.get("content").and_then(|text| BASE64.decode(text).ok()),
            },
            other => StatKind::Other(other.to_owned()),
        };
        Some(Stat { kind, mode, owner: named(owner, uid), group: named(group, gid), bytes, modified })
    };
    match answer.get("stat").and_then(read) {
        Some(stat) => Observed::Known(stat),
        None => Observed::Unknown("stat printed something else than mode, size, time and owners".into()),
    }
}

mod as_base64 {
    use base64::Engine as _;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::BASE64;

    pub(super) fn serialize<S: Serializer>(content: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        content.as_ref().map(|bytes| BASE64.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| BASE64.decode(text).map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    fn read(records: &[(&str, &str)]) -> Observed<Stat> {
        let records = records.iter().map(|(key, value)| Record { key, value }).collect();
        parse(&Answer { records, clock: Clock::default() })
    }

    #[test]
    fn what_lies_there_is_read() {
        let file = read(&[("stat", "640 3 17 root UNKNOWN 0 1234 regular file"), ("content", "YWJj")]);
        let Observed::Known(stat) = file else { panic!("{file:?}") };
        assert_eq!((stat.mode, stat.bytes, stat.modified), (0o640, 3, Timestamp(17)));
        assert_eq!((stat.owner.as_str(), stat.group.as_str()), ("root", "1234"));
        assert_eq!(stat.kind, StatKind::File { sha256: None, content: Some(b"abc".to_vec()) });
        let kind = |text: &str| match read(&[("stat", &format!("1777 3 17 a b 1 2 {text}")), ("link", "x")]) {
            Observed::Known(stat) => stat.kind,
            other => panic!("{other:?}"),
        };
        assert_eq!(kind("directory"), StatKind::Directory);
        assert_eq!(kind("symbolic link"), StatKind::Link("x".into()));
        assert_eq!(kind("socket"), StatKind::Other("socket".into()));
        assert_eq!(read(&[("absent", "1")]), Observed::Absent);
        assert!(read(&[("stat", "6 x")]).unknown().is_some());
    }
}
