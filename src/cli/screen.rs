//! Where a command writes to: colours if that is a terminal, and text from files made safe for it.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal, Write},
};

use anstyle::{AnsiColor, Style};

use crate::Name;

/// Standard output, buffered, and what it is.
pub(super) struct Screen<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) ink: Palette,
    /// It is a terminal.
    pub(super) is_terminal: bool,
}

impl<'a> Screen<'a> {
    /// `out` leads to standard output.
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        let stdout = io::stdout();
        let choice = anstream::AutoStream::choice(&stdout);
        let is_terminal = stdout.is_terminal();
        Screen {
            out,
            ink: Palette { on: is_terminal && choice != anstream::ColorChoice::Never },
            is_terminal,
        }
    }
}

/// What a text is, which decides its colour.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ink {
    Group,
    Dataset,
    Datatype,
    Link,
    Faint,
    Bad,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    on: bool,
}

impl Palette {
    /// The text in the colour of `ink`.
    pub(super) fn paint<T: fmt::Display>(self, ink: Ink, text: T) -> impl fmt::Display {
        let style = match ink {
            Ink::Group => AnsiColor::Blue.on_default().bold(),
            Ink::Dataset => AnsiColor::Green.on_default(),
            Ink::Datatype => AnsiColor::Magenta.on_default(),
            Ink::Link => AnsiColor::Cyan.on_default(),
            Ink::Faint => Style::new().dimmed(),
            Ink::Bad => AnsiColor::Red.on_default(),
        };
        Painted { style: if self.on { style } else { Style::new() }, text }
    }
}

struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.style.render(), self.text, self.style.render_reset())
    }
}

/// Characters that could make a terminal do or show something else than the text.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Appends a character that is unsafe on a terminal, as an escape.
pub(super) fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        // Writing to a string does not fail.
        c if c.is_ascii() => _ = write!(out, "\\x{:02x}", c as u32),
        c => _ = write!(out, "\\u{{{:x}}}", c as u32),
    }
}

/// The text with unsafe characters escaped.
pub(super) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { push_escape(&mut out, c) } else { out.push(c) }
    }
    out
}

/// A name or path of the file, safe to show.
pub(super) fn safe_bytes(name: &[u8]) -> String {
    safe(&Name::from(name).to_string())
}

/// The text cut to this many characters.
pub(super) fn short(text: String, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some(_) => {
            let mut out: String = text.chars().take(width.saturating_sub(3)).collect();
            out.push_str("...");
            out
        }
        None => text,
    }
}

/// Bytes for people: `512 B`, `1.5 KiB` ...
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(6);
    format!("{:.1} {}", bytes as f64 / 1024f64.powi(power as i32), UNITS[power as usize - 1])
}

/// How much smaller the stored bytes are: `2.50:1`.
pub(super) fn ratio(logical: u64, stored: u64) -> String {
    if stored == 0 { "-".to_owned() } else { format!("{:.2}:1", logical as f64 / stored as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(safe("a\u{1b}[31m\n\u{9b}b\u{202e}ü"), "a\\x1b[31m\\n\\u{9b}b\\u{202e}ü");
        assert_eq!(safe_bytes(b"\xff\x07"), "\\xff\\x07");
    }

    #[test]
    fn sizes() {
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(u64::MAX), "16.0 EiB");
        assert_eq!(ratio(10, 4), "2.50:1");
        assert_eq!(short("abcdef".to_owned(), 5), "ab...");
        assert_eq!(short("abcde".to_owned(), 5), "abcde");
    }
}
