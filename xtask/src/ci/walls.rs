//! The walls between the crates: which of ours each may use, and that the protocol engine, all it needs included,
//! holds no runtime and nothing else that nobody has looked at.

use super::Outcome;
use crate::counts::Counts;
use crate::problem::Problem;
use crate::tools::{self, cargo};
use std::collections::BTreeSet;

/// Which of our crates a crate may use: the table of ARCHITECTURE.md. The daemon may use all.
const ARROWS: [(&str, &[&str]); 8] = [
    ("mail", &[]),
    ("smtp", &["mail"]),
    ("queue", &["mail"]),
    ("journal", &["mail"]),
    ("policy", &["mail"]),
    ("directory", &["policy", "mail"]),
    ("control", &["queue", "journal", "mail"]),
    ("mta", &["policy", "control", "smtp", "queue", "journal", "mail"]),
];

/// Everything that `postrider-smtp` is built from, macros apart: none of it opens a socket, starts a thread or
/// waits. The ICU4X crates, from `icu_collections` on, are those of `idna`.
const ENGINE: [&str; 30] = [
    "postrider-smtp",
    "postrider-mail",
    "memchr",
    "jiff",
    "jiff-core",
    "portable-atomic",
    "portable-atomic-util",
    "serde",
    "serde_core",
    "idna",
    "idna_adapter",
    "smallvec",
    "utf8_iter",
    "utf_types",
    "icu_collections",
    "icu_locale_core",
    "icu_normalizer",
    "icu_normalizer_data",
    "icu_properties",
    "icu_properties_data",
    "icu_provider",
    "litemap",
    "potential_utf",
    "stable_deref_trait",
    "tinystr",
    "writeable",
    "yoke",
    "zerofrom",
    "zerotrie",
    "zerovec",
];

pub(super) fn work() -> Result<Outcome, Problem> {
    let mut outcome = Outcome { counts: Counts::default(), remarks: Vec::new() };
    for (name, allowed) in ARROWS {
        let used = packages(&format!("postrider-{name}"), &["--depth", "1"])?;
        let ours =
            used.iter().filter_map(|used| used.strip_prefix("postrider-")).filter(|used| *used != name);
        let surplus: Vec<&str> = ours.filter(|used| !allowed.contains(used)).collect();
        take(&mut outcome, &surplus, &format!("{name} may not use"));
    }
    let used = packages("postrider-smtp", &[])?;
    let surplus: Vec<&str> = used.iter().map(String::as_str).filter(|used| !ENGINE.contains(used)).collect();
    take(&mut outcome, &surplus, "the engine is to be usable without a runtime; look at");
    Ok(outcome)
}

fn take(outcome: &mut Outcome, surplus: &[&str], sentence: &str) {
    if surplus.is_empty() {
        outcome.counts.passed += 1;
    } else {
        outcome.counts.failed += 1;
        outcome.remarks.push(format!("{sentence} {} (see xtask/src/ci/walls.rs)", surplus.join(", ")));
    }
}

/// What a package is built from, itself included: normal dependencies, on all platforms.
fn packages(package: &str, options: &[&str]) -> Result<BTreeSet<String>, Problem> {
    let mut command = cargo(["tree", "--offline", "--locked", "--target", "all", "--prefix", "none"]);
    command.args(["--edges", "normal,no-proc-macro", "--package", package]).args(options);
    let said = tools::output(&mut command);
    let said = said.ok_or_else(|| Problem::new(format!("`cargo tree` did not tell what {package} needs")))?;
    Ok(said.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}
