//! The property `tests::properties::json`, held by a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::json(data));
