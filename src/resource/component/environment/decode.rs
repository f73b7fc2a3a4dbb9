//! Reads `environments` of a component, with every mistake at its place.

use super::super::decode::{absolute, credentials_in, filled, patterns, words};
use super::{Carried, EnvironmentSpec, Installer, KEEP, Layout};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, did_you_mean};
use crate::release::Release;

/// More old environments than this are no way back but a full disk: each takes some 200 MB.
const MOST_KEPT: i64 = 20;

/// Reads the mapping `environments`.
pub(in crate::resource::component) fn environments(node: &Node) -> Result<EnvironmentSpec, Diagnostics> {
    let mut fields = Fields::of(node, "environments")?;
    let layout = fields.given("layout", layout).unwrap_or(Layout::Auto);
    let keep = fields.given("keep", keep).unwrap_or(KEEP);
    let interpreters = fields.given("interpreters", paths).unwrap_or_default();
    let carry = fields.given("carry", carry).unwrap_or_default();
    let installer = fields.given("installer", installer).unwrap_or(Installer::Pip);
    let constraints = fields.given("constraints", paths).unwrap_or_default();
    let lock = fields.given("lock", filled);
    fields.build(|| {
        Some(EnvironmentSpec { layout, keep, interpreters, carry, installer, constraints, lock, locked: None })
    })
}

fn layout(node: &Node) -> Result<Layout, Diagnostic> {
    let text = filled(node)?;
    Layout::ALL.into_iter().find(|layout| layout.word() == text).ok_or_else(|| {
        let words = Layout::ALL.map(Layout::word);
        Diagnostic::at(&node.span, format!("{text:?} is no layout of environments (expected {})", words.join(", ")))
            .maybe_hint(did_you_mean(&text, words))
    })
}

fn keep(node: &Node) -> Result<u32, Diagnostic> {
    let number = node.as_i64()?;
    u32::try_from(number).ok().filter(|_| number <= MOST_KEPT).ok_or_else(|| {
        Diagnostic::at(&node.span, format!("{number} old environments can't be kept (expected 0 to {MOST_KEPT})"))
    })
}

/// A list of absolute paths, or one text of them with blanks between.
fn paths(node: &Node) -> Result<Vec<String>, Diagnostics> {
    if node.as_list().is_ok() {
        return patterns(node);
    }
    let mut mistakes = Diagnostics::new();
    let texts = words(node)?.into_iter().map(|word| Node::text(node.span.clone(), word));
    let paths = texts.filter_map(|word| mistakes.keep(absolute(&word))).collect();
    mistakes.or_ok(paths)
}

/// A list of requirements, or one text of those that hold no blanks.
fn carry(node: &Node) -> Result<Vec<Carried>, Diagnostics> {
    if let Some(mistake) = credentials_in(node, "carry")? {
        return Err(mistake.into());
    }
    let mut mistakes = Diagnostics::new();
    let read = words(node)?.iter().filter_map(|word| mistakes.keep(carried(node, word.trim()))).collect();
    mistakes.or_ok(read)
}

fn carried(node: &Node, text: &str) -> Result<Carried, Diagnostic> {
    let wrong = |why: &str| {
        Err(Diagnostic::at(&node.span, format!("{text:?} is nothing that can be carried over: {why}")).hint(
            "write NAME (at the version of the environment before), NAME==@ (at the component's release), or a \
             requirement such as NAME==1.2",
        ))
    };
    if text.chars().any(char::is_control) {
        return wrong("it holds a line break or another control character");
    }
    // PEP 508: a name is letters and digits, with `-`, `_` and `.` between.
    let length = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    let (name, rest) = text.split_at(length);
    let sound = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !sound(name.chars().next()) || !sound(name.chars().last()) {
        return wrong("it begins with no name of a distribution");
    }
    let package = name.to_owned();
    match rest.trim() {
        "" => Ok(Carried::Same { package }),
        "==@" | "== @" => Ok(Carried::Follow { package }),
        requirement => {
            if !requirement.starts_with(['=', '<', '>', '!', '~', '[', '(', '@', ';']) {
                return wrong("behind the name stands no condition");
            }
            if let Some(version) = requirement.strip_prefix("==") {
                let version = version.split(',').next().unwrap_or_default().trim();
                let plain = version.chars().all(|c| c.is_ascii_alphanumeric() || ".+!-_".contains(c));
                if plain && Release::parse(version).is_err() {
                    return wrong("its version isn't one as PEP 440 has them");
                }
            }
            Ok(Carried::Fixed { requirement: text.to_owned() })
        }
    }
}

fn installer(node: &Node) -> Result<Installer, Diagnostic> {
    let text = filled(node)?;
    match text.as_str() {
        "pip" => Ok(Installer::Pip),
        "uv" => Ok(Installer::Uv { path: text }),
        path if path.starts_with('/') && path.rsplit('/').next().is_some_and(|name| name.starts_with("uv")) => {
            Ok(Installer::Uv { path: text })
        }
        _ => Err(Diagnostic::at(
            &node.span,
            format!("{text:?} is no installer (expected pip, uv, or uv's absolute path)"),
        )
        .maybe_hint(did_you_mean(&text, ["pip", "uv"]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn read(text: &str) -> Result<EnvironmentSpec, String> {
        let node = Node::parse(&Source::new("task.yaml", text)).unwrap();
        environments(&node).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn nothing_declared_are_the_defaults() {
        let empty = "{ layout: '', keep: '', interpreters: '', carry: '', installer: '', constraints: '', lock: '' }";
        for text in ["", empty, "{ interpreters: [], carry: [], constraints: [] }"] {
            assert_eq!(read(text).unwrap(), EnvironmentSpec::default(), "{text}");
        }
    }

    #[test]
    fn everything_can_be_declared() {
        let spec = read(
            "{ layout: in-place, keep: '3', interpreters: /opt/3.12/bin/python3 /opt/3.13/bin/python3, \
               carry: [plugin, 'open==@', 'numpy >= 1.2, <2', 'x[y]==1.0'], installer: /opt/bin/uv, \
               constraints: ['/etc/a b.txt', '/etc/{train}.txt'], lock: locks/prod.lock }",
        )
        .unwrap();
        assert_eq!((spec.layout, spec.keep), (Layout::InPlace, 3));
        assert_eq!(spec.interpreters, ["/opt/3.12/bin/python3", "/opt/3.13/bin/python3"]);
        let carried: Vec<String> = spec.carry.iter().map(ToString::to_string).collect();
        assert_eq!(carried, ["plugin", "open==@", "numpy >= 1.2, <2", "x[y]==1.0"]);
        assert!(matches!(spec.carry[0], Carried::Same { .. }) && matches!(spec.carry[1], Carried::Follow { .. }));
        assert!(spec.carry[2..].iter().all(|carried| matches!(carried, Carried::Fixed { .. })));
        assert_eq!(spec.installer, Installer::Uv { path: "/opt/bin/uv".into() });
        assert_eq!(spec.constraints, ["/etc/a b.txt", "/etc/{train}.txt"]);
        assert_eq!(spec.lock.as_deref(), Some("locks/prod.lock"));
        assert_eq!(read("installer: uv").unwrap().installer, Installer::Uv { path: "uv".into() });
        assert_eq!(read("carry: plugin other==1").unwrap().carry.len(), 2);
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let error = read(
            "layout: inplace\nkeep: 21\ninterpreters: python3.12\ncarry: ['--pre', 'x y', 'x==one', \"a\\nb\"]\n\
             installer: conda\nconstraints: [c.txt]\nkeeps: 1\n",
        )
        .unwrap_err();
        for expected in [
            "did you mean `in-place`",
            "21 old environments can't be kept (expected 0 to 20)",
            "python3.12 is no absolute path",
            "begins with no name",
            "stands no condition",
            "isn't one as PEP 440",
            "control character",
            "\"conda\" is no installer",
            "c.txt is no absolute path",
            "no field `keeps`",
            "task.yaml:4:",
        ] {
            assert!(error.contains(expected), "{expected:?} is not in:\n{error}");
        }
    }

    #[test]
    fn credentials_have_no_place_in_a_requirement() {
        let error = read("carry: ['x @ https://me:s3cr3t@host/x.whl']").unwrap_err();
        assert!(error.contains("task.yaml:1:") && !error.contains("s3cr3t"), "{error}");
        assert!(read("carry: ['x @ https://host/x.whl']").is_ok());
    }
}
