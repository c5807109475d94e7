//! The property `tests::properties::reading`, held by a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::reading(data));
