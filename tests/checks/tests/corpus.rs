//! Every input that fuzzing found worth keeping, played again.

use postrider_checks::CHECKS;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[test]
fn every_input_of_the_corpus_keeps_its_properties() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let (mut played, mut octets) = (0, 0);
    let mut broken = Vec::new();
    for (name, check) in CHECKS {
        let folder = corpus.join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        assert!(paths.len() >= 10, "{} has only {} inputs", folder.display(), paths.len());
        for path in paths {
            let input = fs::read(&path).unwrap();
            if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
                broken.push(path);
            }
            played += 1;
            octets += input.len();
        }
    }
    println!("{played} inputs, {octets} octets");
    assert!(broken.is_empty(), "{broken:#?}");
}
