#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider_checks::server::server_session(octets));
