#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwire_fuzz::monitor_wire::check(data));
