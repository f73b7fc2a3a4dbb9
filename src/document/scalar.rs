//! What a plain scalar means, read from its raw text the way that YAML 1.1 (and so Ansible) reads it.

use std::time::Duration;

/// The boolean that YAML 1.1 reads, in any of the spellings that it allows.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Whether a plain scalar stands for nothing.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether an unquoted scalar would be read as a number by YAML 1.1 or 1.2: integers in any base, with
/// underscores or colons (base 60), and floats with or without an exponent. Its digits can't be trusted then:
/// `25.10` would be 25.1.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let based = |prefix: &str, digits: fn(char) -> bool| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| digits(c) || c == '_'))
    };
    if based("0x", |c| c.is_ascii_hexdigit())
        || based("0b", |c| matches!(c, '0' | '1'))
        || based("0o", |c| c.is_digit(8))
    {
        return true;
    }
    if unsigned.contains(':') {
        return is_base_60(unsigned);
    }
    is_decimal(unsigned)
}

/// `1:30:00`, which YAML 1.1 reads as a number of seconds.
fn is_base_60(text: &str) -> bool {
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or("");
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    digits(first) && parts.all(|part| part.len() <= 2 && digits(part) && part < "60")
}

/// An optional whole part, an optional fraction, an optional exponent; at least one digit in all.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_is_fine = exponent.is_none_or(|digits| {
        let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '_') && !part.starts_with('_');
    exponent_is_fine && digits(whole) && digits(fraction) && mantissa.chars().any(|c| c.is_ascii_digit())
}

/// A decimal integer written in its one canonical way; `007`, `0x10` and `1_000` mean different things to
/// different readers and aren't taken.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// A float that prints as it was written.
pub(super) fn exact_float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && format!("{number:?}") == text)
}

/// A time: whole seconds (`90`), or parts with units, largest first or not (`1h30m`, `500ms`, `2 d`).
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(seconds) = integer(text) {
        return u64::try_from(seconds).ok().map(Duration::from_secs);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = match &rest[..letters] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" | "min" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86400),
            _ => return None,
        };
        let part = unit.checked_mul(u32::try_from(number).ok()?)?;
        total = total.checked_add(part)?;
        rest = rest[letters..].trim_start();
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_yaml_would_take_for_numbers() {
        for number in
            ["25.10", "26", "1e3", "-4", "+1.5e-3", "0644", "0x1f", "1_000", "1:30", "0b11", ".5", "5.", ".inf"]
        {
            assert!(is_number(number), "{number}");
        }
        for text in
            ["25.6.1", "23.09.10", "v1", "", "1.2rc1", "e3", "1:75", "25.6.0.post1", "-", ".", "1-2", "_1", "0x"]
        {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_or_have_units() {
        assert_eq!(duration("90"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2 min"), Some(Duration::from_secs(120)));
        for bad in ["", "-5", "5 parsecs", "m", "1.5", "99999999999999d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn integers_and_floats_are_taken_only_as_they_print() {
        assert_eq!(integer("22"), Some(22));
        for bad in ["022", "+1", "1_0", "0x1", "1.0", ""] {
            assert_eq!(integer(bad), None, "{bad}");
        }
        assert_eq!(exact_float("0.5"), Some(0.5));
        assert_eq!(exact_float("25.10"), None);
    }
}
