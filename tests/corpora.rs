//! Everything that the fuzzers have kept is read again: what once broke a parser must not break it twice. The fuzzers
//! themselves need minutes; docs/security.md says how they are run.

#[path = "fuzz/targets.rs"]
mod targets;

use std::path::Path;

#[test]
fn what_the_fuzzers_kept_breaks_no_parser() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, read) in targets::TARGETS {
        let directory = corpora.join(name);
        let mut kept = 0;
        for entry in std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            // Named when it panics.
            println!("{}", path.display());
            read(&data);
            kept += 1;
        }
        assert!(kept >= 3, "{name}: a corpus of {kept}");
    }
}
