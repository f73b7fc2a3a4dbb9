//! Maintenance windows: the hours of the week in which a cluster may be changed, by the clocks of the place where its
//! users are.

use std::fmt;
use std::sync::Arc;

use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Hours of certain weekdays, such as `Sat 01:00-05:00 Asia/Seoul`.
///
/// Both ends are times of the wall clock, so a day on which clocks change makes the window an hour shorter or longer.
/// A window that ends before it begins (`Fri 22:00-04:00 …`) goes on into the next day.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    written: Arc<str>,
    /// From Monday on.
    days: [bool; 7],
    /// Minutes from midnight.
    from: u32,
    /// Minutes from midnight, itself no longer in it.
    to: u32,
    zone: TimeZone,
}

/// A text that isn't a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no maintenance window: {reason} (expected as in \"Sat 01:00-05:00 Asia/Seoul\")")]
pub struct WindowError {
    text: String,
    reason: String,
}

const MINUTES_OF_DAY: u32 = 24 * 60;

impl Window {
    /// Reads `DAYS FROM-TO ZONE`: days are `daily`, or names and ranges of names (`Sat`, `Mon-Fri`, `Sat,Sun`); times
    /// are `HH:MM` up to `24:00`; the zone is a name of the IANA database.
    ///
    /// # Errors
    /// When it isn't of that form, when it is empty of time, or when the zone isn't known.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        let wrong = |reason: String| WindowError { text: text.to_owned(), reason };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [days, times, zone] = words[..] else {
            return Err(wrong("days, times and a time zone are three words".into()));
        };
        let (from, to) = times.split_once('-').ok_or_else(|| wrong(format!("{times} is no range of times")))?;
        let minutes = |text: &str| minutes_of(text).ok_or_else(|| wrong(format!("{text} is no time of day")));
        let (from, to) = (minutes(from)?, minutes(to)?);
        if from == to || from == MINUTES_OF_DAY {
            return Err(wrong("it has no minute in it".into()));
        }
        let days = days_of(days).ok_or_else(|| wrong(format!("{days} are no days of the week")))?;
        // The database that is compiled in: a host without tzdata, or with an old one, gives the same answer.
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| wrong(format!("the time zone {zone} is not in the IANA database")))?;
        Ok(Self { written: text.into(), days, from, to, zone })
    }

    /// Whether a point in time lies in the window.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        let Ok(time) = jiff::Timestamp::from_second(time.0) else { return false };
        let local = time.to_zoned(self.zone.clone());
        let minute = u32::from(local.hour().unsigned_abs()) * 60 + u32::from(local.minute().unsigned_abs());
        let today = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let yesterday = (today + 6) % 7;
        let on = |day: usize| self.days.get(day).copied().unwrap_or_default();
        if self.from < self.to {
            on(today) && (self.from..self.to).contains(&minute)
        } else {
            (on(today) && minute >= self.from) || (on(yesterday) && minute < self.to)
        }
    }

    /// The point in time by the window's own clock, for people.
    #[must_use]
    pub fn local(&self, time: Timestamp) -> String {
        match jiff::Timestamp::from_second(time.0) {
            Ok(time) => time.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string(),
            Err(_) => time.to_string(),
        }
    }
}

fn minutes_of(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= MINUTES_OF_DAY).then_some(all)
}

fn days_of(text: &str) -> Option<[bool; 7]> {
    if text.eq_ignore_ascii_case("daily") {
        return Some([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day_of(first)?, day_of(last)?);
        loop {
            *days.get_mut(day)? = true;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Some(days)
}

fn day_of(text: &str) -> Option<usize> {
    let names = [
        (Weekday::Monday, "monday"),
        (Weekday::Tuesday, "tuesday"),
        (Weekday::Wednesday, "wednesday"),
        (Weekday::Thursday, "thursday"),
        (Weekday::Friday, "friday"),
        (Weekday::Saturday, "saturday"),
        (Weekday::Sunday, "sunday"),
    ];
    let text = text.to_ascii_lowercase();
    names.iter().position(|(_, name)| *name == text || (text.len() == 3 && name.starts_with(&text)))
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window({})", self.written)
    }
}

impl TryFrom<String> for Window {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        Self::parse(&text)
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.written.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_second())
    }

    #[track_caller]
    fn check(window: &str, inside: &[&str], outside: &[&str]) {
        let window = Window::parse(window).unwrap();
        for time in inside {
            assert!(window.contains(at(time)), "{time} is not in {window}: {}", window.local(at(time)));
        }
        for time in outside {
            assert!(!window.contains(at(time)), "{time} is in {window}: {}", window.local(at(time)));
        }
    }

    #[test]
    fn a_window_holds_its_hours_by_its_own_clock() {
        // Seoul is nine hours ahead: Saturday 01:00 there is Friday 16:00 UTC.
        check(
            "Sat 01:00-05:00 Asia/Seoul",
            &["2026-11-20T16:00:00Z", "2026-11-20T19:59:59Z"],
            &["2026-11-20T15:59:59Z", "2026-11-20T20:00:00Z", "2026-11-21T16:00:00Z"],
        );
        check("mon-fri 00:00-24:00 UTC", &["2026-11-23T00:00:00Z", "2026-11-27T23:59:59Z"], &["2026-11-28T00:00:00Z"]);
        check("Sat,Sun 03:00-04:00 UTC", &["2026-11-21T03:30:00Z", "2026-11-22T03:30:00Z"], &["2026-11-23T03:30:00Z"]);
        check("Sat-Mon 03:00-04:00 UTC", &["2026-11-22T03:30:00Z"], &["2026-11-24T03:30:00Z"]);
    }

    #[test]
    fn a_window_may_go_on_behind_midnight() {
        check(
            "Fri 22:00-04:00 UTC",
            &["2026-11-20T22:00:00Z", "2026-11-21T03:59:00Z"],
            &["2026-11-20T03:00:00Z", "2026-11-21T04:00:00Z", "2026-11-21T22:30:00Z"],
        );
    }

    #[test]
    fn clocks_that_change_change_the_window_with_them() {
        // Berlin goes from +02:00 to +01:00 on 2026-10-25 at 03:00, which makes 02:00-03:00 come twice.
        check(
            "Sun 02:00-03:00 Europe/Berlin",
            &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-18T00:30:00Z", "2026-11-01T01:30:00Z"],
            &["2026-10-25T02:00:00Z", "2026-11-01T00:30:00Z"],
        );
        // And on 2026-03-29 it doesn't come at all.
        check("Sun 02:00-03:00 Europe/Berlin", &[], &["2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"]);
    }

    #[test]
    fn what_is_no_window_is_told_apart() {
        for (text, reason) in [
            ("Sat 01:00-05:00", "three words"),
            ("Sat 01:00 UTC", "no range"),
            ("Sat 1:00-05:00 UTC", "1:00 is no time"),
            ("Sat 01:00-24:01 UTC", "24:01 is no time"),
            ("Sat 01:60-05:00 UTC", "01:60"),
            ("Caturday 01:00-05:00 UTC", "Caturday"),
            ("Sat 01:00-01:00 UTC", "no minute"),
            ("Sat 01:00-05:00 Mars/Olympus", "Mars/Olympus"),
        ] {
            let error = Window::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
