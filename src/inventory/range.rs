//! Ranges in host names: `gpu[01:16]`, `db[a:c]`, `web[0:8:2]`.

/// Most names that one entry may expand to: ten times the largest cluster that the project aims at, and small
/// enough that a slip (`[1:99999999]`) is an error instead of a full memory.
const NAMES: usize = 10_000;

/// Why a range can't be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The bracket isn't closed, or there is one too many.
    #[error("the brackets of the range don't match")]
    Brackets,
    /// Not `first:last` or `first:last:step`.
    #[error("a range is [first:last] or [first:last:step], both ends included, not [{0}]")]
    Shape(String),
    /// `[01:9]`: the width of zero-padded numbers would change on the way.
    #[error("both ends of the zero-padded range [{0}] must have the same number of digits")]
    Padding(String),
    /// The last comes before the first.
    #[error("the range [{0}] is empty: its end comes before its start")]
    Empty(String),
    /// Too many names.
    #[error("`{0}` would be more than {NAMES} hosts")]
    TooMany(String),
}

/// All names that a host entry stands for, in order; the text itself when it holds no range. Both ends are
/// included, zero padding is kept, and a name may hold several ranges (the rightmost counts fastest).
///
/// # Errors
/// When a range has another shape, is empty, or stands for too many names.
pub fn expand_range(text: &str) -> Result<Vec<String>, RangeError> {
    let Some(open) = text.find('[') else {
        return if text.contains(']') { Err(RangeError::Brackets) } else { Ok(vec![text.to_owned()]) };
    };
    let close = text[open..].find(']').ok_or(RangeError::Brackets)? + open;
    let (head, range, tail) = (&text[..open], &text[open + 1..close], &text[close + 1..]);
    if head.contains(']') || range.contains('[') {
        return Err(RangeError::Brackets);
    }
    let tails = expand_range(tail)?;
    let members = members(range).map_err(|error| match error {
        RangeError::TooMany(_) => RangeError::TooMany(text.to_owned()),
        other => other,
    })?;
    if members.len().saturating_mul(tails.len()) > NAMES {
        return Err(RangeError::TooMany(text.to_owned()));
    }
    Ok(members.iter().flat_map(|member| tails.iter().map(move |tail| format!("{head}{member}{tail}"))).collect())
}

fn members(range: &str) -> Result<Vec<String>, RangeError> {
    let shape = || RangeError::Shape(range.to_owned());
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, 1),
        [first, last, step] => (first, last, step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(shape)?),
        _ => return Err(shape()),
    };
    let letter = |text: &str| {
        let mut chars = text.chars();
        chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
    };
    if let (Some(first), Some(last)) = (letter(first), letter(last)) {
        if first.is_ascii_lowercase() != last.is_ascii_lowercase() {
            return Err(shape());
        }
        let all: Vec<String> = (first..=last).step_by(step).map(String::from).collect();
        return if all.is_empty() { Err(RangeError::Empty(range.to_owned())) } else { Ok(all) };
    }
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let first = if first.is_empty() { "0" } else { first };
    if !digits(first) || !digits(last) {
        return Err(shape());
    }
    let width = if first.len() > 1 && first.starts_with('0') { first.len() } else { 0 };
    if width > 0 && width != last.len() {
        return Err(RangeError::Padding(range.to_owned()));
    }
    let (from, to): (u64, u64) = (first.parse().map_err(|_| shape())?, last.parse().map_err(|_| shape())?);
    if from > to {
        return Err(RangeError::Empty(range.to_owned()));
    }
    if (to - from) / step as u64 >= NAMES as u64 {
        return Err(RangeError::TooMany(range.to_owned()));
    }
    Ok((from..=to).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> String {
        expand_range(text).unwrap().join(" ")
    }

    #[test]
    fn ranges_include_both_ends_and_keep_their_padding() {
        assert_eq!(names("web"), "web");
        assert_eq!(names("gpu[08:11]"), "gpu08 gpu09 gpu10 gpu11");
        assert_eq!(names("w[1:7:3].x"), "w1.x w4.x w7.x");
        assert_eq!(names("w[1:6:3]"), "w1 w4");
        assert_eq!(names("db[a:c]"), "dba dbb dbc");
        assert_eq!(names("r[1:2]n[a:b]"), "r1na r1nb r2na r2nb");
        assert_eq!(names("w[:2]"), "w0 w1 w2");
        assert_eq!(names("w[098:100]"), "w098 w099 w100");
        assert_eq!(names("w[5:5]"), "w5");
    }

    #[test]
    fn other_shapes_are_refused() {
        use RangeError::*;
        assert_eq!(expand_range("w[1:2"), Err(Brackets));
        assert_eq!(expand_range("w1]"), Err(Brackets));
        assert_eq!(expand_range("w[1]"), Err(Shape("1".into())));
        assert_eq!(expand_range("w[1:]"), Err(Shape("1:".into())));
        assert_eq!(expand_range("w[1:5:0]"), Err(Shape("1:5:0".into())));
        assert_eq!(expand_range("w[a:5]"), Err(Shape("a:5".into())));
        assert_eq!(expand_range("w[a:Z]"), Err(Shape("a:Z".into())));
        assert_eq!(expand_range("w[01:9]"), Err(Padding("01:9".into())));
        assert_eq!(expand_range("w[9:1]"), Err(Empty("9:1".into())));
        assert_eq!(expand_range("w[c:a]"), Err(Empty("c:a".into())));
        assert!(matches!(expand_range("w[1:99999999999]"), Err(TooMany(_))));
        assert!(matches!(expand_range("w[1:999]x[1:999]"), Err(TooMany(_))));
    }
}
