#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwire_fuzz::url::check(data));
