//! The fuzz targets' properties, held on their seeds: a seed that once broke one is a case for ever.

use std::path::{Path, PathBuf};

use tests::properties::TARGETS;

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn files_of(target: &str) -> Vec<PathBuf> {
    let folder = seeds().join(target);
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_keeps_its_property() {
    for (target, holds) in TARGETS {
        let files = files_of(target);
        assert!(files.len() >= 3, "{target} has {} seeds", files.len());
        for file in files {
            let data = std::fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| holds(&data));
            assert!(held.is_ok(), "{target}: {} breaks its property; what it says stands above", file.display());
        }
    }
}

/// Each seed once more with one byte gone, and cut off in its middle: a fuzzer's first steps, taken in every run.
#[test]
fn every_seed_cut_short_keeps_its_property() {
    for (target, holds) in TARGETS {
        for file in files_of(target) {
            let data = std::fs::read(&file).unwrap();
            let step = (data.len() / 8).max(1);
            for at in (0..data.len()).step_by(step) {
                let without = [&data[..at], &data[at + 1..]].concat();
                for changed in [&without[..], &data[..at]] {
                    let held = std::panic::catch_unwind(|| holds(changed));
                    assert!(held.is_ok(), "{target}: {} without byte {at}, or cut there", file.display());
                }
            }
        }
    }
}

#[test]
fn every_target_has_seeds_and_every_seed_a_target() {
    let names: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut folders: Vec<String> = std::fs::read_dir(seeds())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let manifest = std::fs::read_to_string(seeds().join("../Cargo.toml")).unwrap();
    let built: Vec<&String> = names.iter().filter(|name| manifest.contains(&format!("name = \"{name}\""))).collect();
    assert_eq!(built.len(), names.len(), "each target is built by the fuzz crate: {built:?}");
    folders.sort();
    let mut sorted = names;
    sorted.sort();
    assert_eq!(folders, sorted);
}
