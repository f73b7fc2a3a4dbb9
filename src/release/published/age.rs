//! How long an answer of a package index holds. The clock is the caller's.

use std::time::Duration;

use crate::model::Timestamp;

/// What an answer of this age is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It is used without asking again.
    Fresh,
    /// It is used only where asking again fails, and that is said.
    Stale,
    /// It is not used.
    TooOld,
}

/// The limits of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeLimits {
    /// How old an answer may be that is used without asking again; zero to ask always.
    pub fresh: Duration,
    /// How old one may be that stands in for an index that can't be reached; zero for none.
    pub stale: Duration,
}

impl AgeLimits {
    /// How long an answer stands in for an index that can't be reached. Within a working day a list seldom grows, and
    /// what it lacks shows at the next look; a list of last week would hide patches that must not be skipped.
    const STAND_IN: Duration = Duration::from_secs(12 * 3600);

    /// The limits for a `--max-age`. Who asks for 0 wants to know how things are now: then nothing stands in either.
    #[must_use]
    pub fn of(max_age: Duration) -> Self {
        Self { fresh: max_age, stale: if max_age.is_zero() { Duration::ZERO } else { max_age.max(Self::STAND_IN) } }
    }
}

/// What an answer from `asked_at` is good for at `now`. One from the future (a clock was set back) has no known age.
#[must_use]
pub fn judge_age(asked_at: Timestamp, now: Timestamp, limits: AgeLimits) -> Age {
    let Ok(seconds) = u64::try_from(now.0.saturating_sub(asked_at.0)) else { return Age::TooOld };
    let age = Duration::from_secs(seconds);
    if age < limits.fresh {
        Age::Fresh
    } else if age < limits.stale {
        Age::Stale
    } else {
        Age::TooOld
    }
}

/// Reads an age: a number of seconds, or a number with `s`, `m`, `h` or `d`.
///
/// # Errors
/// What is expected, where the text is something else.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 1,
    };
    let number: u32 =
        number.parse().map_err(|_| "expected seconds, or a number with s, m, h or d, as in 30m".to_owned())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(age: i64, limits: AgeLimits) -> Age {
        judge_age(Timestamp(1_000_000 - age), Timestamp(1_000_000), limits)
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_too_old() {
        let hour = AgeLimits::of(Duration::from_secs(3600));
        assert_eq!(at(0, hour), Age::Fresh);
        assert_eq!(at(3599, hour), Age::Fresh);
        assert_eq!(at(3600, hour), Age::Stale);
        assert_eq!(at(12 * 3600 - 1, hour), Age::Stale);
        assert_eq!(at(12 * 3600, hour), Age::TooOld);
        assert_eq!(at(-1, hour), Age::TooOld);
        assert_eq!(at(0, AgeLimits::of(Duration::ZERO)), Age::TooOld);
        assert_eq!(at(86_400, AgeLimits::of(Duration::from_secs(2 * 86_400))), Age::Fresh);
    }

    #[test]
    fn ages_are_read_with_their_unit() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("1h", 3600), ("2d", 172_800)] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "-1", "1.5h", "1w", "1 h", "99999999999d", "1\u{e9}"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_older_answer_is_never_better(asked: i64, now: i64, more in 1i64..1_000_000, limit in 0u64..1_000_000) {
            let limits = AgeLimits::of(Duration::from_secs(limit));
            let worth = |age| match age { Age::Fresh => 2, Age::Stale => 1, Age::TooOld => 0 };
            prop_assume!(asked <= now);
            let older = judge_age(Timestamp(asked.saturating_sub(more)), Timestamp(now), limits);
            prop_assert!(worth(older) <= worth(judge_age(Timestamp(asked), Timestamp(now), limits)));
        }
    }
}
