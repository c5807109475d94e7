//! The property `tests::properties::configuration`, held by a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::configuration(data));
