//! The names nearest to one that was mistyped.

/// How far a name may be from the one that was written to be worth naming: about a third of its letters, at
/// least one, at most three. Beyond that, suggestions are noise.
fn reach(written: &str) -> usize {
    (written.chars().count() / 3).clamp(1, 3)
}

/// Edit distance with transpositions of neighbours counted as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substituted.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

/// Up to three of `known` that are nearest to `written` (and near at all), alphabetically.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = written.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|name| name.chars().count().abs_diff(written.chars().count()) <= 3)
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .filter(|(far, _)| *far <= reach(written))
        .collect();
    near.sort_unstable();
    near.dedup();
    // Only the best: what is one letter further off is noise beside a closer name.
    let best = near.first().map(|(far, _)| *far);
    near.into_iter().take_while(|(far, _)| Some(*far) == best).take(3).map(|(_, name)| name).collect()
}

/// `did you mean `a` or `b`?`, when anything is near.
#[must_use]
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = nearest(written, known).into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_near_and_other_words_are_not() {
        assert_eq!(nearest("packgae", ["package", "process", "venv"]), ["package"]);
        assert_eq!(nearest("mgr3", ["mgr1", "mgr2", "gpu1"]), ["mgr1", "mgr2"]);
        assert_eq!(did_you_mean("zebra", ["package", "venv"]), None);
        assert_eq!(did_you_mean("childern", ["children", "hosts"]).unwrap(), "did you mean `children`?");
    }
}
