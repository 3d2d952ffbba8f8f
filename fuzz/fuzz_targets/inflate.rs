#![no_main]
#![allow(dead_code)] // every target includes all bodies

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::inflate(data));
