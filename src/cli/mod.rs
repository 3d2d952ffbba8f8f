//! The `h5` command: one file a subcommand. It uses only what any other program can use.

use std::{
    ffi::OsString,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{Error, ErrorKind, File, Policy, Result};

#[cfg(feature = "server")]
mod arena;
mod canon;
mod cat;
mod change;
mod cp;
mod describe;
mod digest;
mod edit;
mod flow;
mod fresh;
mod ls;
mod progress;
mod repack;
mod rescue;
mod screen;
#[cfg(feature = "server")]
mod serve;
mod stat;
mod target;
mod tree;
mod walk;

use screen::Screen;

/// The features that a build may have, and whether this one has them.
const FEATURES: [(&str, bool); 16] = [
    ("cli", cfg!(feature = "cli")),
    ("derive", cfg!(feature = "derive")),
    ("filter-bitgroom", cfg!(feature = "filter-bitgroom")),
    ("filter-bitshuffle", cfg!(feature = "filter-bitshuffle")),
    ("filter-blosc", cfg!(feature = "filter-blosc")),
    ("filter-blosc2", cfg!(feature = "filter-blosc2")),
    ("filter-bzip2", cfg!(feature = "filter-bzip2")),
    ("filter-lz4", cfg!(feature = "filter-lz4")),
    ("filter-zfp", cfg!(feature = "filter-zfp")),
    ("filter-zstd", cfg!(feature = "filter-zstd")),
    ("h5flow", cfg!(feature = "h5flow")),
    ("h5grove", cfg!(feature = "h5grove")),
    ("mmap", cfg!(feature = "mmap")),
    ("mpi", cfg!(feature = "mpi")),
    ("parallel", cfg!(feature = "parallel")),
    ("server", cfg!(feature = "server")),
];

/// Look into HDF5 files, and copy them.
#[derive(Debug, Parser)]
#[command(name = "h5", version, max_term_width = 100, subcommand_required = true)]
struct Arguments {
    /// Which other files external links, raw data and virtual datasets may lead to
    #[arg(long, global = true, value_name = "WHERE", value_enum, default_value_t = Reach::Beside)]
    reach: Reach,
    /// Open a file though a writer has it open, or left it marked so
    #[arg(long, global = true)]
    ignore_write_flag: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reach {
    /// None
    None,
    /// Those below the folder of the file
    Beside,
    /// Any
    Anywhere,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the links of a group, or describe an object
    Ls {
        /// List all groups below it too, each object once
        #[arg(short, long)]
        recursive: bool,
        /// Show storage, filters, fill values and attributes
        #[arg(short, long)]
        verbose: bool,
        /// HDF5 file, or a file and a path in it: data.h5/group
        #[arg(value_name = "FILE[/PATH]")]
        file: PathBuf,
        /// Path in the file
        path: Option<OsString>,
    },
    /// Draw the whole file as a tree
    Tree {
        /// HDF5 file, or a file and a path in it: data.h5/group
        #[arg(value_name = "FILE[/PATH]")]
        file: PathBuf,
    },
    /// Print the elements of a dataset or attribute
    #[command(after_help = cat::HELP)]
    Cat {
        /// HDF5 file
        file: PathBuf,
        /// Dataset, or object@attribute
        path: OsString,
        /// Which elements: '0:10, 3'
        #[arg(long, allow_hyphen_values = true)]
        select: Option<String>,
        /// How they are written
        #[arg(long, value_enum, default_value_t)]
        format: cat::Format,
    },
    /// Count objects, links, layouts, filters and bytes
    Stat {
        /// HDF5 file
        file: PathBuf,
    },
    /// Print a fingerprint of the content, as canonical JSON, by which two files compare
    Digest {
        /// HDF5 file
        file: PathBuf,
        /// Threads that work at once; 0 is one a processor
        #[arg(long, default_value_t = 0)]
        threads: usize,
    },
    /// Write a file anew, without gaps, and with other filters and layouts if you like
    #[command(after_help = change::HELP)]
    Repack {
        /// Other filters; may be given several times
        #[arg(short, long, value_name = "FILTER")]
        filter: Vec<String>,
        /// Another layout; may be given several times
        #[arg(short, long, value_name = "LAYOUT")]
        layout: Vec<String>,
        /// Which libraries can open the new file; those that can open the old one if it is not said
        #[arg(long, value_enum)]
        profile: Option<fresh::ProfileChoice>,
        /// HDF5 file
        #[arg(value_name = "IN")]
        source: PathBuf,
        /// The new file
        #[arg(value_name = "OUT")]
        target: PathBuf,
    },
    /// Copy an object, with all that is below it, into another file
    #[command(after_help = change::HELP)]
    Cp {
        /// Other filters; may be given several times
        #[arg(short, long, value_name = "FILTER")]
        filter: Vec<String>,
        /// Another layout; may be given several times
        #[arg(short, long, value_name = "LAYOUT")]
        layout: Vec<String>,
        /// Which libraries can open a new file; those that can open the old one if it is not said
        #[arg(long, value_enum)]
        profile: Option<fresh::ProfileChoice>,
        /// Copy what soft links lead to, instead of the links
        #[arg(long)]
        follow_soft: bool,
        /// Copy what external links lead to, instead of the links
        #[arg(long)]
        follow_external: bool,
        /// Of a group, copy only its direct members
        #[arg(long)]
        shallow: bool,
        /// Leave the attributes out
        #[arg(long)]
        without_attributes: bool,
        /// What to copy: data.h5:/group/dataset
        #[arg(value_name = "FILE:PATH")]
        source: PathBuf,
        /// Where to: as this path, or into the group that is there
        #[arg(value_name = "FILE[:PATH]")]
        target: PathBuf,
    },
    /// Make a new file of what a damaged one still holds
    #[command(after_help = rescue::HELP)]
    Rescue {
        /// Show every object, not only those of which something is missing
        #[arg(short, long)]
        verbose: bool,
        /// The damaged file, which stays as it is
        #[arg(value_name = "BROKEN")]
        source: PathBuf,
        /// The new file, which must not exist
        #[arg(value_name = "OUT")]
        target: PathBuf,
    },
    /// Delete a link, and the object that it leads to if it was the last
    Rm {
        /// HDF5 file
        file: PathBuf,
        /// Path of the link
        path: OsString,
    },
    /// Set or delete an attribute
    #[command(subcommand)]
    Attr(Attr),
    /// Look into a file of h5flow: rows that refer to each other
    #[command(subcommand)]
    Flow(Flow),
    /// Take back the mark of a writer that was killed, so that the file can be opened
    ///
    /// A file of libhdf5 may hold what its writer had not finished. A file of this program is whole: a change that
    /// was being made is brought to its end.
    Clear {
        /// HDF5 file
        file: PathBuf,
    },
    /// Serve the HDF5 files of a folder to viewers: h5grove's interface, and H5Web at /view
    #[cfg(feature = "server")]
    Serve(serve::Arguments),
    /// Print the version and the features of this build
    Version,
}

#[derive(Debug, Subcommand)]
enum Flow {
    /// List datasets, references and attributes
    Ls {
        /// HDF5 file
        file: PathBuf,
    },
    /// Print what rows of a dataset refer to
    Deref {
        /// HDF5 file
        file: PathBuf,
        /// The parent, and its child; or a chain of them
        #[arg(required = true, num_args = 2.., value_name = "DATASET")]
        names: Vec<String>,
        /// Rows of the parent: '5', '0:100', '0:100:2' or '1,5,7'
        #[arg(long)]
        select: Option<String>,
        /// How they are written
        #[arg(long, value_enum, default_value_t)]
        format: flow::Format,
    },
}

#[derive(Debug, Subcommand)]
enum Attr {
    /// Set an attribute: make it, or replace the one of that name
    Set {
        /// HDF5 file
        file: PathBuf,
        /// Path of the object
        path: OsString,
        /// Name of the attribute
        name: OsString,
        /// A number, true, false, text, or a JSON list of them
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Type of the elements; if not given, that of the value: 64 bits for numbers
        #[arg(long = "type", value_enum)]
        of: Option<edit::Type>,
    },
    /// Delete an attribute
    Rm {
        /// HDF5 file
        file: PathBuf,
        /// Path of the object
        path: OsString,
        /// Name of the attribute
        name: OsString,
    },
}

fn run(arguments: Arguments, out: &mut dyn Write) -> Result<()> {
    let reach = match arguments.reach {
        Reach::None => crate::Reach::None,
        Reach::Beside => crate::Reach::Beside,
        Reach::Anywhere => crate::Reach::Anywhere,
    };
    let options = File::options().policy(Policy::all(reach)).ignore_write_flag(arguments.ignore_write_flag);
    let open = |path: &Path| options.open(path);
    let mut screen = Screen::new(out);
    match arguments.command {
        Command::Ls { recursive, verbose, file, path } => {
            let (file, mut inner) = target::split(&file);
            if let Some(path) = path {
                if !inner.ends_with(b"/") {
                    inner.push(b'/');
                }
                let path = path.as_encoded_bytes();
                inner.extend_from_slice(path.strip_prefix(b"/").unwrap_or(path));
            }
            ls::run(&open(&file)?, &inner, ls::Options { recursive, verbose }, &mut screen)
        }
        Command::Tree { file } => {
            let (file, inner) = target::split(&file);
            tree::run(&open(&file)?, &file.display().to_string(), &inner, &mut screen)
        }
        Command::Cat { file, path, select, format } => {
            cat::run(&open(&file)?, path.as_encoded_bytes(), select.as_deref(), format, &mut screen)
        }
        Command::Stat { file } => stat::run(&open(&file)?, &mut screen),
        Command::Digest { file, threads } => digest::run(&options.threads(threads).open(file)?, &mut screen),
        Command::Repack { filter, layout, profile, source, target } => {
            let asked = repack::Options { filters: filter, layouts: layout, profile };
            repack::run(&options, &source, &target, &asked, warn)
        }
        Command::Cp {
            filter,
            layout,
            profile,
            follow_soft,
            follow_external,
            shallow,
            without_attributes,
            source,
            target,
        } => {
            let (filters, layouts) = (filter, layout);
            let asked = cp::Options {
                filters,
                layouts,
                profile,
                follow_soft,
                follow_external,
                shallow,
                without_attributes,
            };
            cp::run(&options, &source, &target, &asked, warn)
        }
        Command::Rescue { verbose, source, target } => {
            rescue::run(&options, &source, &target, verbose, &mut screen)
        }
        Command::Rm { file, path } => edit::remove(&options.open_rw(file)?, path.as_encoded_bytes()),
        Command::Attr(Attr::Set { file, path, name, value, of }) => {
            let (path, name) = (path.as_encoded_bytes(), name.as_encoded_bytes());
            edit::set(&options.open_rw(file)?, path, name, &value, of)
        }
        Command::Attr(Attr::Rm { file, path, name }) => {
            edit::remove_attribute(&options.open_rw(file)?, path.as_encoded_bytes(), name.as_encoded_bytes())
        }
        Command::Flow(Flow::Ls { file }) => flow::list(&file, &mut screen),
        Command::Flow(Flow::Deref { file, names, select, format }) => {
            flow::dereference(&file, &names, select.as_deref(), format, &mut screen)
        }
        Command::Clear { file } => edit::clear(&file, &mut screen),
        #[cfg(feature = "server")]
        Command::Serve(arguments) => serve::run(arguments, screen.out),
        Command::Version => {
            writeln!(screen.out, "h5 {}", env!("CARGO_PKG_VERSION"))?;
            let enabled = FEATURES.iter().filter(|(_, on)| *on).map(|(name, _)| *name);
            Ok(writeln!(screen.out, "features: {}", enabled.collect::<Vec<_>>().join(", "))?)
        }
    }
}

/// Tells about something that does not end the command.
fn warn(text: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr(), "h5: {}", screen::safe(text));
}

fn is_closed_pipe(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(e) if e.kind() == io::ErrorKind::BrokenPipe)
}

/// True if the arguments make no sense, whatever the file is: such an error is of no file and no object.
fn is_wrong_usage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Usage(_)) && error.object().is_none() && error.file().is_none()
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
    let done = run(arguments, &mut out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "h5: {}", screen::safe(&error.to_string()));
            if is_wrong_usage(&error) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
