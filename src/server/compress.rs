//! Compressed answers.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};
use structured_zstd::encoding::{CompressionLevel, StreamingEncoder};

/// Answers that are shorter are not compressed.
const WORTH: usize = 1024;

/// A coding of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Coding {
    /// The name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
        }
    }

    /// The coding that `Accept-Encoding` asks for most; gzip if several are as welcome.
    pub fn wanted(accept: &str) -> Option<Self> {
        let mut best: Option<(f32, Coding)> = None;
        let mut plain = 0.0;
        for part in accept.split(',') {
            let mut fields = part.split(';').map(str::trim);
            let name = fields.next().unwrap_or_default().to_ascii_lowercase();
            let quality =
                fields.find_map(|f| f.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
            let coding = match name.as_str() {
                "gzip" | "x-gzip" | "*" => Coding::Gzip,
                "zstd" => Coding::Zstd,
                "identity" => {
                    plain = quality;
                    continue;
                }
                _ => continue,
            };
            let better = best.is_none_or(|(q, c)| {
                quality > q || quality == q && (c, coding) == (Coding::Zstd, Coding::Gzip)
            });
            if quality > 0.0 && better {
                best = Some((quality, coding));
            }
        }
        best.filter(|(quality, _)| *quality >= plain).map(|(_, coding)| coding)
    }
}

enum State {
    /// Too little so far.
    Waiting(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(Box<StreamingEncoder<Vec<u8>>>),
}

/// Compresses what it is given, unless it is little.
pub struct Compressor {
    coding: Coding,
    state: State,
}

impl Compressor {
    /// Of this coding.
    pub fn new(coding: Coding) -> Self {
        Compressor { coding, state: State::Waiting(Vec::new()) }
    }

    /// The coding, once there is something to compress.
    pub fn coding(&self) -> Option<Coding> {
        (!matches!(self.state, State::Waiting(_))).then_some(self.coding)
    }

    /// Takes bytes; those that come out.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        if let State::Waiting(waiting) = &mut self.state {
            waiting.extend_from_slice(bytes);
            if waiting.len() < WORTH {
                return Ok(Vec::new());
            }
            let waiting = std::mem::take(waiting);
            self.state = match self.coding {
                Coding::Gzip => State::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
                Coding::Zstd => {
                    State::Zstd(Box::new(StreamingEncoder::new(Vec::new(), CompressionLevel::Fastest)))
                }
            };
            return self.add(&waiting);
        }
        match &mut self.state {
            State::Waiting(_) => Ok(Vec::new()),
            State::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            State::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    /// The end; the bytes that come out.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.state {
            State::Waiting(waiting) => Ok(waiting),
            State::Gzip(encoder) => encoder.finish(),
            State::Zstd(encoder) => encoder.finish().map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_asked_for() {
        for (accept, wanted) in [
            ("", None),
            ("br", None),
            ("gzip, deflate, br, zstd", Some(Coding::Gzip)),
            ("zstd, gzip", Some(Coding::Gzip)),
            ("zstd", Some(Coding::Zstd)),
            ("gzip;q=0.5, zstd;q=0.8", Some(Coding::Zstd)),
            ("gzip;q=0", None),
            ("identity, gzip;q=0.5", None),
            ("*", Some(Coding::Gzip)),
        ] {
            assert_eq!(Coding::wanted(accept), wanted, "{accept}");
        }
    }

    #[test]
    fn streams_can_be_read_back() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|i| format!("{},", i % 977).into_bytes()).collect();
        for coding in [Coding::Gzip, Coding::Zstd] {
            let mut compressor = Compressor::new(coding);
            let mut bytes = Vec::new();
            text.chunks(777).for_each(|part| bytes.extend(compressor.add(part).unwrap()));
            assert_eq!(compressor.coding(), Some(coding));
            bytes.extend(compressor.finish().unwrap());
            assert!(bytes.len() < text.len() / 2);
            let mut back = Vec::new();
            match coding {
                Coding::Gzip => {
                    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut back).unwrap();
                }
                Coding::Zstd => {
                    let mut source = &bytes[..];
                    let mut decoder = structured_zstd::decoding::StreamingDecoder::new(&mut source);
                    decoder.read_to_end(&mut back).unwrap();
                }
            }
            assert_eq!(back, text);
        }
        let mut compressor = Compressor::new(Coding::Gzip);
        assert!(compressor.add(b"short").unwrap().is_empty() && compressor.coding().is_none());
        assert_eq!(compressor.finish().unwrap(), b"short");
    }
}
