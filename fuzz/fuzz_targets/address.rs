#![no_main]

#[allow(dead_code)]
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(init: targets::expect_panics_of_the_parser(), |data: &[u8]| targets::address(data));
