//! The `h5` command. See `h5 --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    h5::cli::main()
}
