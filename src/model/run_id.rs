//! What a run is called: by the journal, by its jobs and locks on the hosts, and by whoever asks about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// How the second of a start is written: it sorts as text.
const SECOND: &str = "%Y%m%dT%H%M%SZ";

/// The name of a run: the second of its start in UTC and six random hexadecimal digits, such as
/// `20261125T033000Z-7f3a9c`. Names sort by the time of the start, and are safe as names of files and as words of a shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text that names no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no run: a name is made like 20261125T033000Z-7f3a9c")]
pub struct RunIdError(String);

impl RunId {
    /// The name of a run that starts at `start`. `random` tells apart what starts in the same second, on whatever machine:
    /// two such runs share a name once in 16 million times.
    ///
    /// # Errors
    /// When the year of `start` has no four digits.
    pub fn new(start: Timestamp, random: [u8; 3]) -> Result<Self, RunIdError> {
        let [a, b, c] = random;
        let second = jiff::Timestamp::from_second(start.0).map_err(|_| RunIdError(start.to_string()))?;
        Self::parse(&format!("{}-{a:02x}{b:02x}{c:02x}", second.strftime(SECOND)))
    }

    /// Checks and takes over a name.
    ///
    /// # Errors
    /// When it isn't made as described.
    pub fn parse(text: &str) -> Result<Self, RunIdError> {
        let wrong = || RunIdError(text.to_owned());
        let (second, random) = text.split_once('-').ok_or_else(wrong)?;
        let is_random = random.len() == 6 && random.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        // The length is looked at as well: parsing would put up with fewer digits.
        if !is_random || second.len() != "20261125T033000Z".len() || second_of(second).is_none() {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the run started, by its controller's clock.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        let second = self.0.split_once('-').and_then(|(second, _)| second_of(second));
        second.unwrap_or(Timestamp(0))
    }
}

fn second_of(text: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime(SECOND, text).ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_second()))
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;
    fn try_from(text: String) -> Result<Self, RunIdError> {
        Self::parse(&text)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_says_when_its_run_started() {
        let id = RunId::new(Timestamp(1_795_577_400), [0x7f, 0x3a, 0x9c]).unwrap();
        assert_eq!(id.as_str(), "20261125T033000Z-7f3a9c");
        assert_eq!(id.start(), Timestamp(1_795_577_400));
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"20261125T033000Z-7f3a9c\"");
        assert_eq!(serde_json::from_str::<RunId>("\"20261125T033000Z-7f3a9c\"").unwrap(), id);
        assert!(serde_json::from_str::<RunId>("\"../../etc/passwd\"").is_err());
    }

    #[test]
    fn everything_else_names_no_run() {
        for text in [
            "",
            "-",
            "last",
            "20261125T033000Z",
            "20261125T033000Z-7f3a9",
            "20261125T033000Z-7f3a9c0",
            "20261125T033000Z-7F3A9C",
            "20261125T033000Z-7f3a9g",
            "20261325T033000Z-7f3a9c",
            "20261125T253000Z-7f3a9c",
            "2026125T0330000Z-7f3a9c",
            "20261125T033000-7f3a9c",
            " 20261125T033000Z-7f3a9c",
            "20261125T033000Z-7f3a9c\n",
            "20261125T033000Z-../../",
        ] {
            assert_eq!(RunId::parse(text), Err(RunIdError(text.into())), "{text:?}");
        }
        assert!(RunId::new(Timestamp(i64::MAX), [0; 3]).is_err());
    }

    proptest! {
        #[test]
        fn names_are_read_as_they_are_written_and_sort_by_time(
            one in 0_i64..253_402_300_000, other in 0_i64..253_402_300_000, random: [u8; 3], another: [u8; 3],
        ) {
            let (first, second) = (RunId::new(Timestamp(one), random).unwrap(), RunId::new(Timestamp(other), another).unwrap());
            prop_assert_eq!(RunId::parse(first.as_str()), Ok(first.clone()));
            prop_assert_eq!(first.start(), Timestamp(one));
            if one != other {
                prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            }
        }
    }
}
