#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| websans_testkit::fuzz::std_adapter(data));
