#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| thirdleaf_fuzz::mrt::check(data));
