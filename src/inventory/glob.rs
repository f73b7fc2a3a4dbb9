//! Globs as regular expressions, by the rules of Python's `fnmatch`: `*`, `?`, `[abc]`, `[a-c]`, `[!abc]`.

/// The expression for a whole name, without anchors. A bracket that isn't closed stands for itself.
pub(super) fn expression(glob: &str) -> String {
    let mut expression = String::new();
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        let class = if c == '[' { class(rest) } else { None };
        if let Some((class, length)) = class {
            expression.push_str(&class);
            rest = &rest[length..];
            continue;
        }
        match c {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
        rest = &rest[c.len_utf8()..];
    }
    expression
}

/// The class that begins here, and how many bytes it takes. A bracket right behind the first one belongs into it.
fn class(text: &str) -> Option<(String, usize)> {
    let (negation, start) = if text.starts_with("[!") { ("^", 2) } else { ("", 1) };
    let inside = &text[start..];
    let first = inside.chars().next()?.len_utf8();
    let end = first + inside[first..].find(']')?;
    let characters: Vec<char> = inside[..end].chars().collect();
    let last = characters.len().saturating_sub(1);
    let escaped = characters.iter().enumerate().map(|(at, c)| match c {
        '-' if at > 0 && at < last => "-".to_owned(),
        c if c.is_alphanumeric() => c.to_string(),
        // Whatever else a class knows (`^`, `&&`, `[`), here it is a character.
        c => format!("\\x{{{:x}}}", u32::from(*c)),
    });
    Some((format!("[{negation}{}]", escaped.collect::<String>()), start + end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, name: &str) -> bool {
        regex::Regex::new(&format!("^(?s:{})$", expression(glob))).unwrap().is_match(name)
    }

    #[test]
    fn globs_match_as_in_python() {
        for (glob, yes, no) in [
            ("web*", "web1.example", "xweb"),
            ("web?", "web1", "web12"),
            ("web[12]", "web2", "web3"),
            ("web[1-3]x", "web3x", "web4x"),
            ("web[!1-3]x", "web4x", "web3x"),
            ("w[]x]1", "w]1", "wy1"),
            ("w[^a]", "w^", "wb"),
            ("w[a-]", "w-", "wb"),
            ("w[&&~~]", "w&", "wa"),
            ("w[1", "w[1", "w1"),
            ("a.b", "a.b", "axb"),
            ("*", "", "\u{0}x"),
        ] {
            assert!(matches(glob, yes), "{glob} {yes}");
            assert!(glob == "*" || !matches(glob, no), "{glob} {no}");
        }
    }
}
