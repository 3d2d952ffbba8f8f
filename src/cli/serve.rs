//! `h5 serve`: a folder over HTTP.

use std::{io::Write, net::IpAddr, path::PathBuf, time::Duration};

use clap::Args;

use super::{arena, target::usage};
use crate::{
    Result,
    server::{self, Limits, Options},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder that is served; nothing outside it is ever read
    #[arg(value_name = "DIR", conflicts_with = "basedir")]
    folder: Option<PathBuf>,
    /// Address to listen at
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
    /// Port to listen at; 0 takes a free one
    #[arg(long, default_value_t = 8888)]
    port: u16,
    /// The same as DIR
    #[arg(long, value_name = "DIR")]
    basedir: Option<PathBuf>,
    /// Origin whose pages may read the answers: scheme and host, or *; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// Largest answer
    #[arg(long, value_name = "BYTES", default_value = "2GiB", value_parser = bytes)]
    max_response: u64,
    /// What the chunks of one request may take when they are decoded
    #[arg(long, value_name = "BYTES", default_value = "16GiB", value_parser = bytes)]
    max_decoded: u64,
    /// Seconds that the work of a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Requests that read data at the same time; 0 is two a processor, and four at least
    #[arg(long, value_name = "N", default_value_t = 0)]
    concurrent: usize,
    /// Do not serve the viewer
    #[arg(long)]
    no_ui: bool,
    /// What is logged on standard error
    #[arg(long, value_enum, default_value_t)]
    log: Log,
    /// Log as JSON, an object a line
    #[arg(long)]
    log_json: bool,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Log {
    /// Nothing
    Off,
    /// What went wrong in the server
    #[default]
    Warn,
    /// Every request
    Info,
    /// Also why requests failed
    Debug,
}

/// `2GiB`, `100 MB`, `4096`.
fn bytes(text: &str) -> std::result::Result<u64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(format!("{unit:?} is no unit; use KiB, MiB, GiB, kB, MB or GB")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no number of bytes"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text} is too much"))
}

/// Serves until the process is asked to stop.
///
/// # Errors
/// `Usage` if there is no such folder; `Io` if it cannot be opened or the address is taken.
pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Result<()> {
    let folder = arguments.folder.or(arguments.basedir).unwrap_or_else(|| PathBuf::from("."));
    if !folder.is_dir() {
        return Err(usage(format!("{} is no folder", folder.display())));
    }
    arena::share_one_arena();
    log(arguments.log, arguments.log_json);
    let mut limits = Limits {
        max_response: arguments.max_response,
        max_decoded: arguments.max_decoded,
        timeout: Duration::from_secs(arguments.timeout.clamp(1, 86_400)),
        ..Limits::default()
    };
    if arguments.concurrent > 0 {
        limits.concurrent = arguments.concurrent.min(1024);
    }
    let mut options = Options::new(&folder);
    options.ip = arguments.ip;
    options.port = arguments.port;
    options.cors = arguments.cors;
    options.viewer = !arguments.no_ui;
    options.limits = limits;
    let viewer = options.viewer;
    server::run(&options, |address| {
        // The server serves also when nobody reads this.
        let _ = writeln!(out, "Serving {} at http://{address}/", folder.display());
        if viewer {
            let _ = writeln!(out, "Viewer: http://{address}/view/");
        }
        let _ = out.flush();
    })?;
    Ok(())
}

fn log(level: Log, json: bool) {
    let level = match level {
        Log::Off => return,
        Log::Warn => tracing::Level::WARN,
        Log::Info => tracing::Level::INFO,
        Log::Debug => tracing::Level::DEBUG,
    };
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(std::io::stderr);
    // A program that embeds this may have a subscriber already.
    let _ = if json { subscriber.json().try_init() } else { subscriber.try_init() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("100 MB"), Ok(100_000_000));
        assert_eq!(bytes("4096"), Ok(4096));
        assert!(bytes("").is_err() && bytes("2XB").is_err() && bytes("99999999999999 GiB").is_err());
    }
}
