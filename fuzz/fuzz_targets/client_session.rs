#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider_checks::client::client_session(octets));
