//! The `h5` command, from outside.
use std::process::Command;

#[test]
fn version() {
    let out = Command::new(env!("CARGO_BIN_EXE_h5")).arg("version").output().unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), concat!("h5 ", env!("CARGO_PKG_VERSION"), "\n"));
}
