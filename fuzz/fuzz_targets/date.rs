#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwire_fuzz::date::check(data));
