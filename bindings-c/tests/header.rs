//! include/zdt.h is what the code says, and says all there is.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::path::Path;
use zdt_core::ErrorKind;

/// The order in which a reader of the header meets things.
const SOURCES: [&str; 12] = [
    "edge",
    "config",
    "progress",
    "takeover",
    "event",
    "offer",
    "connection",
    "worker",
    "fds",
    "gate",
    "reuseport",
    "error",
];

fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let builder = SOURCES.iter().fold(cbindgen::Builder::new().with_config(config), |builder, source| {
        builder.with_src(root.join(format!("src/{source}.rs")))
    });
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_header_that_is_checked_in_is_the_one_that_the_code_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/zdt.h");
    let generated = generated();
    if std::env::var_os("ZDT_REGENERATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(generated.lines()).position(|(there, new)| there != new);
    assert!(
        there == generated,
        "include/zdt.h is not what the code gives (first difference: line {:?}).\n\
         Regenerate it: ZDT_REGENERATE=1 cargo test -p zdt-c --test header",
        differs.map(|line| line + 1)
    );
}

#[test]
fn every_error_of_the_core_has_its_number_in_the_header_and_no_other_is_there() {
    let header = generated();
    let defined: Vec<(&str, i32)> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ZDT_ERROR_"))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, number)| (name, number.parse().unwrap()))
        .collect();
    let expected: Vec<(String, i32)> =
        ErrorKind::ALL.iter().map(|kind| (screaming(&format!("{kind:?}")), kind.number())).collect();
    let defined: Vec<(String, i32)> = defined.into_iter().map(|(name, n)| (name.to_string(), n)).collect();
    assert_eq!(defined, expected);
}

/// `PathTooLong` becomes `PATH_TOO_LONG`.
fn screaming(name: &str) -> String {
    let mut screaming = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !screaming.is_empty() {
            screaming.push('_');
        }
        screaming.extend(letter.to_uppercase());
    }
    screaming
}

#[test]
fn every_exported_function_is_in_the_header_and_says_what_it_does() {
    let header = generated();
    for source in SOURCES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{source}.rs"));
        let text = std::fs::read_to_string(path).unwrap();
        for (at, _) in text.match_indices("extern \"C\" fn ") {
            let name = text[at + 14..].split('(').next().unwrap();
            let lines: Vec<&str> = header.lines().collect();
            let declared = |line: &&str| !line.starts_with("//") && line.contains(&format!("{name}("));
            let at = lines.iter().position(declared).unwrap_or_else(|| panic!("{name} is missing"));
            assert!(lines[at - 1].starts_with("//"), "{name} has no comment");
        }
    }
}
