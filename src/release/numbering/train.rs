//! Trains: the major releases of a product, between which nothing is skipped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that doesn't name a train.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a train (expected its one or two numbers, as in 24.09 or 3)")]
pub struct TrainError {
    /// The text as written.
    pub text: String,
}

/// A major release: `x.y` of `x.y.z` where releases are numbered by the calendar, `x` of `x.y.z` under `SemVer`.
///
/// Trains of one product order by their numbers. `24.09` and `24.9` are one train; it prints as `24.9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Train {
    // The order of the fields is the order of trains: `0.9` (SemVer below 1) comes before `1`.
    first: u64,
    second: Option<u64>,
}

impl Train {
    /// A train with one number.
    #[must_use]
    pub const fn one(first: u64) -> Self {
        Self { first, second: None }
    }

    /// A train with two numbers.
    #[must_use]
    pub const fn two(first: u64, second: u64) -> Self {
        Self { first, second: Some(second) }
    }

    /// Reads one or two numbers with a dot between; `v24.09` is `24.9`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, TrainError> {
        let error = || TrainError { text: text.to_owned() };
        let number = |digits: &str| {
            // `u64::from_str` takes a sign, which no train has.
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| u64::from_str(digits).ok()).flatten().ok_or_else(error)
        };
        let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
        match digits.split_once('.') {
            None => Ok(Self::one(number(digits)?)),
            Some((first, second)) => Ok(Self::two(number(first)?, number(second)?)),
        }
    }

    /// Its first number, and its second where it has one.
    #[must_use]
    pub fn numbers(self) -> (u64, Option<u64>) {
        (self.first, self.second)
    }
}

impl fmt::Display for Train {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.second {
            None => f.pad(&self.first.to_string()),
            Some(second) => f.pad(&format!("{}.{second}", self.first)),
        }
    }
}

impl TryFrom<String> for Train {
    type Error = TrainError;
    fn try_from(text: String) -> Result<Self, TrainError> {
        Self::parse(&text)
    }
}

impl From<Train> for String {
    fn from(train: Train) -> Self {
        train.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains_are_one_or_two_numbers() {
        assert_eq!(Train::parse("24.09").unwrap(), Train::two(24, 9));
        assert_eq!(Train::parse("v24.09").unwrap().to_string(), "24.9");
        assert_eq!(Train::parse("3").unwrap(), Train::one(3));
        for bad in ["", "24.", ".9", "24.9.1", "24.x", "+3", "latest", "99999999999999999999"] {
            assert!(Train::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn trains_order_by_number() {
        let trains = ["0.2", "0.10", "1", "2", "10"].map(|text| Train::parse(text).unwrap());
        assert!(trains.is_sorted());
        let trains = ["20.09", "24.3", "24.12", "25.1", "25.10"].map(|text| Train::parse(text).unwrap());
        assert!(trains.is_sorted());
    }

    #[test]
    fn trains_travel_as_text() {
        assert_eq!(serde_json::to_string(&Train::two(24, 9)).unwrap(), "\"24.9\"");
        assert_eq!(serde_json::from_str::<Train>("\"24.09\"").unwrap(), Train::two(24, 9));
        assert!(serde_json::from_str::<Train>("\"x\"").is_err());
    }
}
