//! So many of something, or a part of all of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number from 1 on (`2`), or a percentage from 1 to 100 (`25%`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Share {
    /// So many, whatever the whole is.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

/// A text that is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a number from 1 on nor a percentage from 1% to 100%")]
pub struct NoShare(String);

impl Share {
    /// Reads `2` or `25%`.
    ///
    /// # Errors
    /// When it is neither, or out of range.
    pub fn parse(text: &str) -> Result<Self, NoShare> {
        let number = |digits: &str| digits.parse::<u32>().ok().filter(|n| n.to_string() == digits && *n >= 1);
        let share = match text.strip_suffix('%') {
            Some(digits) => number(digits).filter(|percent| *percent <= 100).map(Share::Percent),
            None => number(text).map(Share::Count),
        };
        share.ok_or_else(|| NoShare(text.to_owned()))
    }

    /// How many of `whole` may be taken at most: percentages round down, to at least 1.
    #[must_use]
    pub fn at_most(self, whole: usize) -> usize {
        match self {
            Share::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Share::Percent(percent) => (whole.saturating_mul(usize::try_from(percent).unwrap_or(100)) / 100).max(1),
        }
    }

    /// How many of `whole` must be left at least: percentages round up.
    #[must_use]
    pub fn at_least(self, whole: usize) -> usize {
        match self {
            Share::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Share::Percent(percent) => whole.saturating_mul(usize::try_from(percent).unwrap_or(100)).div_ceil(100),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Count(count) => write!(f, "{count}"),
            Share::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl TryFrom<String> for Share {
    type Error = NoShare;

    fn try_from(text: String) -> Result<Self, NoShare> {
        Self::parse(&text)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_percentages_are_read_and_nothing_else() {
        assert_eq!(Share::parse("2"), Ok(Share::Count(2)));
        assert_eq!(Share::parse("25%"), Ok(Share::Percent(25)));
        assert_eq!(Share::parse("100%").map(|share| share.to_string()).as_deref(), Ok("100%"));
        for text in ["0", "0%", "101%", "-1", "1.5", "half", "", "%", "02", "25 %", "{{n}}"] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_taken_rounds_down_and_what_is_left_rounds_up() {
        let quarter = Share::Percent(25);
        assert_eq!([1, 3, 4, 7, 8].map(|whole| quarter.at_most(whole)), [1, 1, 1, 1, 2]);
        assert_eq!([1, 3, 4, 7, 8].map(|whole| quarter.at_least(whole)), [1, 1, 1, 2, 2]);
        assert_eq!((Share::Count(3).at_most(2), Share::Count(3).at_least(2)), (3, 3));
    }
}
