//! The property `tests::properties::headers`, held by a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::headers(data));
