//! Groups that contain each other.

use std::collections::BTreeSet;

use super::tree::RawTree;
use crate::document::{Diagnostic, Diagnostics, Span};
use crate::model::GroupName;

/// Reports each group that is below itself, once per cycle.
pub(super) fn find_cycles(raw: &RawTree, mistakes: &mut Diagnostics) {
    let mut done: BTreeSet<&GroupName> = BTreeSet::new();
    for name in &raw.group_order {
        let mut way: Vec<(&GroupName, Option<&Span>)> = vec![(name, None)];
        walk(raw, &mut way, &mut done, mistakes);
    }
}

fn walk<'r>(
    raw: &'r RawTree,
    way: &mut Vec<(&'r GroupName, Option<&'r Span>)>,
    done: &mut BTreeSet<&'r GroupName>,
    mistakes: &mut Diagnostics,
) {
    let Some((name, _)) = way.last().copied() else { return };
    if done.contains(name) {
        return;
    }
    for (child, span) in raw.groups.get(name).map(|group| group.children.as_slice()).unwrap_or_default() {
        if let Some(at) = way.iter().position(|(ancestor, _)| *ancestor == child) {
            let round: Vec<String> = way[at..].iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("groups contain each other: {} > `{child}`", round.join(" > "));
            let other = way.get(at + 1).and_then(|(_, span)| *span);
            let message = match other {
                Some(other) => format!("{message}; the first step is at {other}"),
                None => message,
            };
            mistakes.push(Diagnostic::at(span, message).hint("take one of them out of the other's `children`"));
        } else {
            way.push((child, Some(span)));
            walk(raw, way, done, mistakes);
            way.pop();
        }
    }
    done.insert(name);
}

#[cfg(test)]
mod tests {
    use crate::document::Source;
    use crate::inventory::{Inventory, InventorySources};

    fn wrong(text: &str) -> String {
        Inventory::parse(&InventorySources::of(Source::new("inv.yaml", text))).unwrap_err().to_string()
    }

    #[test]
    fn cycles_of_groups_name_both_places() {
        let shown = wrong("a: {children: {b: }, hosts: {h: }}\nb: {children: {c: }}\nc: {children: {a: }}\n");
        assert!(
            shown.starts_with(
                "inv.yaml:3:16: groups contain each other: `a` > `b` > `c` > `a`; the first step is at inv.yaml:1:16"
            ),
            "{shown}"
        );
        assert!(wrong("a: {children: {a: }, hosts: {h: }}").contains("`a` > `a`"));
        assert!(wrong("a: {children: {all: }, hosts: {h: }}").contains("can't be below one"));
    }
}
