//! The property `tests::properties::record`, held by a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::record(data));
