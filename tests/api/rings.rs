//! The three rings, held by reading the sources: the edge may use everything; effects use the core, configuration and
//! clock, never each other and never the edge; the core is pure.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules, and the modules of this crate that each may name.
const RINGS: &[(&str, &[&str])] = &[
    ("auth", &["auth", "clock"]),
    ("delivery", &["delivery"]),
    ("signing", &["signing"]),
    ("profiles", &["auth", "clock", "delivery", "profiles", "signing"]),
    ("clock", &["clock"]),
    ("config", &["auth", "config", "delivery", "signing"]),
    ("ledger", &["clock", "config", "delivery", "ledger", "profiles"]),
    ("providers", &["auth", "clock", "config", "delivery", "profiles", "providers", "signing"]),
    ("emulator", &["clock", "config", "delivery", "emulator", "signing"]),
];

/// Names that must not occur in the core: effects come in as arguments.
const IMPURE: &[&str] =
    &["std::fs", "std::env", "std::net", "tokio", "reqwest", "axum", "rand::", "SystemTime", "Instant"];

const CORE: &[&str] = &["auth", "delivery", "signing", "profiles"];

fn sources(module: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open = vec![root.join(module), root.join(format!("{module}.rs"))];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            // In-file tests may use what they like; they stand at the end.
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            let is_test = path.file_stem().unwrap().to_str().unwrap().ends_with("tests");
            found.extend((!is_test).then_some((path, code)));
        }
    }
    assert!(!found.is_empty(), "there is no module {module}");
    found
}

/// Every `crate::…` that the code names, by its first segment.
fn names_of_this_crate(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap())
}

#[test]
fn every_module_stays_in_its_ring() {
    for (module, allowed) in RINGS {
        for (path, code) in sources(module) {
            for name in names_of_this_crate(&code) {
                assert!(allowed.contains(&name), "{} names crate::{name}", path.display());
            }
        }
    }
}

#[test]
fn the_core_has_no_effects() {
    for module in CORE {
        for (path, code) in sources(module) {
            // The debugger's search gives up when its time is over.
            if path.ends_with("explain/budget.rs") {
                continue;
            }
            for name in IMPURE {
                let code_lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                let found = code_lines.into_iter().find(|line| line.contains(name));
                assert_eq!(found, None, "{} names {name}", path.display());
            }
        }
    }
}

#[test]
fn only_the_providers_and_the_emulators_notifications_call_out() {
    let everywhere = sources("");
    let homes = [
        ("sqlx::", &["ledger", "store"][..]),
        ("reqwest::", &["providers", "outgoing"]),
        ("dotenvy::", &["config"]),
        ("SystemTime::now", &["clock"]),
    ];
    for (name, homes) in homes {
        for (path, code) in &everywhere {
            let is_home = |part: &str| homes.iter().any(|home| part.starts_with(home));
            let inside = path.components().any(|part| is_home(&part.as_os_str().to_string_lossy()));
            assert!(inside || !code.contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    for (path, code) in sources("") {
        assert!(code.starts_with("//! "), "{}", path.display());
    }
}
