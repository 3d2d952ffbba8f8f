//! The `h5` command: one file a subcommand. It uses only what any other program can use.

use std::{
    ffi::OsString,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{Error, ErrorKind, File, Result};

mod canon;
mod digest;

/// Look into HDF5 files.
#[derive(Debug, Parser)]
#[command(name = "h5", version, max_term_width = 100, subcommand_required = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a fingerprint of the content, as canonical JSON, by which two files compare
    Digest {
        /// HDF5 file
        file: PathBuf,
        /// Threads that work at once; 0 is one a processor
        #[arg(long, default_value_t = 0)]
        threads: usize,
    },
    /// Print the version
    Version,
}

fn run(command: Command, out: &mut dyn Write) -> Result<()> {
    match command {
        Command::Digest { file, threads } => digest::run(&File::options().threads(threads).open(file)?, out),
        Command::Version => Ok(writeln!(out, "h5 {}", env!("CARGO_PKG_VERSION"))?),
    }
}

fn is_closed_pipe(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(e) if e.kind() == io::ErrorKind::BrokenPipe)
}

/// Runs the command of the arguments of this process.
pub fn main() -> ExitCode {
    main_of(std::env::args_os())
}

fn main_of(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to be told if this fails too.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let done = run(arguments.command, &mut out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "h5: {error}");
            ExitCode::FAILURE
        }
    }
}
