#![no_main]

#[path = "../flow.rs"]
mod flow;

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow::flow(data));
