//! The endpoints of h5grove, on a thread that may block.

use std::{
    io::{self, Write},
    sync::Arc,
};

use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::Bytes;

use super::{
    App,
    compress::Coding,
    files::OpenedFile,
    job::{Answer, Head, Job},
    query::Query,
};
use crate::h5grove::{
    self, Check, Content, Data, DtypeConversion, Error, LinkResolution, Metadata, Result,
    encoders::{self, Encoding, Payload, bin_encode_range, encoded_len, encoded_len_bounds, json_parts},
};

/// An endpoint that reads files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Attributes.
    Attr,
    /// Data.
    Data,
    /// Metadata.
    Meta,
    /// Statistics.
    Stats,
    /// Paths.
    Paths,
    /// The files themselves.
    Files,
}

impl Endpoint {
    /// True if it reads raw data, or much else.
    pub fn is_heavy(self) -> bool {
        matches!(self, Endpoint::Data | Endpoint::Stats | Endpoint::Files | Endpoint::Paths)
    }
}

/// What was asked for.
#[derive(Debug)]
pub struct Asked {
    /// Which endpoint.
    pub endpoint: Endpoint,
    /// GET or HEAD.
    pub method: Method,
    /// The text of the query.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
}

impl Asked {
    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
    fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
    fn coding(&self) -> Option<Coding> {
        Coding::wanted(self.header(header::ACCEPT_ENCODING)?)
    }
    /// True if the client has what has this tag, in whatever coding.
    fn has(&self, tag: &str) -> bool {
        let Some(tags) = self.header(header::IF_NONE_MATCH) else { return false };
        tags.split(',').map(str::trim).any(|t| {
            let t = t.strip_prefix("W/").unwrap_or(t);
            let Some(t) = t.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return t == "*" };
            t == tag || t.strip_prefix(tag).is_some_and(|rest| rest == "-gzip" || rest == "-zstd")
        })
    }
}

/// Answers a request.
pub fn answer(app: &App, asked: &Asked, mut out: Answer) {
    let written = prepare(app, asked, &mut out).and_then(|body| {
        let write = write(asked, body, &mut out);
        write.map_err(|e| match &e {
            Error::File(inner) if is_too_large(inner) => Error::TooLarge {
                what: "answer",
                wanted: app.limits.max_response.saturating_add(1),
                allowed: app.limits.max_response,
            },
            _ => e,
        })
    });
    match written {
        Ok(Written::HeadersOnly) => drop(out.finish_empty()),
        Ok(Written::All(opened)) => {
            // Who is gone needs no end.
            if let (Ok(Some(copy)), Some(opened)) = (out.finish(), opened) {
                app.files.keep_answer(&opened, &request_key(asked), copy);
            }
        }
        Err(error) => {
            tracing::debug!(%error, query = asked.query, "no answer");
            out.fail(Head::of(&error), &error.to_string());
        }
    }
}

fn is_too_large(error: &crate::Error) -> bool {
    matches!(error.kind(), crate::ErrorKind::Io(e) if e.kind() == io::ErrorKind::FileTooLarge)
}

enum Written {
    HeadersOnly,
    All(Option<Arc<OpenedFile>>),
}

/// What is to be written.
enum Body {
    None,
    Ready(Bytes),
    Json(Arc<OpenedFile>, Json),
    Data(Data, Encoding),
    Range(Data, u64, u64),
}

enum Json {
    Metadata(Metadata),
    Attributes(h5grove::Attributes),
    Stats(h5grove::Stats),
    Paths(Vec<String>),
}

fn write(asked: &Asked, body: Body, out: &mut Answer) -> Result<Written> {
    match body {
        Body::None => return Ok(Written::HeadersOnly),
        Body::Ready(bytes) => {
            out.compress(asked.coding());
            out.write_all(&bytes)?;
        }
        Body::Json(opened, content) => {
            out.compress(asked.coding());
            out.keep_copy();
            let payload: Payload<'_> = match &content {
                Json::Metadata(m) => m.into(),
                Json::Attributes(a) => a.into(),
                Json::Stats(s) => s.into(),
                Json::Paths(p) => p.into(),
            };
            // serde writes piece by piece.
            let mut buffered = io::BufWriter::with_capacity(1 << 14, &mut *out);
            encoders::json_encode(payload, &mut buffered)?;
            buffered.flush()?;
            drop(buffered);
            return Ok(Written::All(Some(opened)));
        }
        Body::Data(data, encoding) => {
            if encoding == Encoding::Json {
                out.compress(asked.coding());
                json_parts(&data, &mut |part| Ok(out.give(part)?))?;
            } else {
                encoders::write(&data, encoding, out)?;
            }
        }
        Body::Range(data, start, end) => bin_encode_range(&data, start, end, out)?,
    }
    Ok(Written::All(None))
}

fn request_key(asked: &Asked) -> String {
    format!("{:?}?{}", asked.endpoint, asked.query)
}

/// Between two blocks: is anybody still waiting?
fn check_of(job: &Arc<Job>) -> Check {
    let job = job.clone();
    Arc::new(move || Ok(job.check()?))
}

/// Finds out what is to be written, and sets the headers.
fn prepare(app: &App, asked: &Asked, out: &mut Answer) -> Result<Body> {
    let query = Query::parse(&asked.query);
    if asked.endpoint == Endpoint::Files {
        let listing = app.files.folder().list(out.job().until())?;
        headers(out, Encoding::Json);
        let bytes = serde_json::to_vec(&listing).map_err(io::Error::from)?;
        return Ok(if asked.is_head() { Body::None } else { Body::Ready(bytes.into()) });
    }
    let opened = app.files.open(query.required("file")?)?;
    let path = query.get("path").unwrap_or("/");
    if asked.has(&opened.own_tag()) {
        // Only answers from this file alone have its tag, and this file is the same.
        out.status(StatusCode::NOT_MODIFIED);
        out.header(header::ETAG, &format!("\"{}\"", opened.own_tag()));
        return Ok(Body::None);
    }
    if let Some(bytes) = app.files.answer(&opened, &request_key(asked)) {
        headers(out, Encoding::Json);
        tag(out, &opened);
        return Ok(if asked.is_head() { Body::None } else { Body::Ready(bytes) });
    }
    let links = match asked.endpoint {
        Endpoint::Meta | Endpoint::Paths => {
            query.get("resolve_links").map(LinkResolution::parse).transpose()?.unwrap_or_default()
        }
        _ => LinkResolution::OnlyValid,
    };
    let content = || app.files.content(&opened, path, links);
    let json = match asked.endpoint {
        Endpoint::Meta => Json::Metadata(content()?.metadata(1)?),
        Endpoint::Attr => Json::Attributes(content()?.attributes(query.all("attr_keys").as_deref())?),
        Endpoint::Stats => {
            let data = part(app, &content()?, &query, DtypeConversion::Origin, 2)?;
            Json::Stats(h5grove::stats(&data.with_check(check_of(out.job())))?)
        }
        Endpoint::Paths => Json::Paths(paths(app, &opened, path, links, out.job())?),
        Endpoint::Data | Endpoint::Files => return data(app, asked, &query, &opened, &content()?, out),
    };
    headers(out, Encoding::Json);
    tag(out, &opened);
    Ok(if asked.is_head() { Body::None } else { Body::Json(opened, json) })
}

fn headers(out: &mut Answer, encoding: Encoding) {
    for (name, value) in encoding.headers() {
        if let Ok(name) = header::HeaderName::try_from(*name) {
            out.header(name, value);
        }
    }
    if encoding == Encoding::Json {
        out.header(header::VARY, "Accept-Encoding");
    }
}

fn tag(out: &mut Answer, opened: &OpenedFile) {
    if let Some(tag) = opened.tag() {
        out.header(header::ETAG, &format!("\"{tag}\""));
        // To be asked for again each time, with the tag.
        out.header(header::CACHE_CONTROL, "no-cache");
    } else {
        out.header(header::CACHE_CONTROL, "no-store");
    }
}

fn paths(
    app: &App,
    opened: &OpenedFile,
    path: &str,
    links: LinkResolution,
    job: &Arc<Job>,
) -> Result<Vec<String>> {
    let (mut paths, mut bytes) = (Vec::new(), 0u64);
    h5grove::for_each_path(opened.file(), Some(path), links, &mut |path| {
        job.check()?;
        bytes = bytes.saturating_add(path.len() as u64 + 3);
        let allowed = app.limits.max_listing.min(app.limits.max_response);
        if bytes > allowed {
            return Err(Error::TooLarge { what: "list of paths", wanted: bytes, allowed });
        }
        paths.push(path);
        Ok(())
    })?;
    Ok(paths)
}

/// The data that are selected, if they may be decoded so many times.
fn part(app: &App, content: &Content, query: &Query, dtype: DtypeConversion, times: u64) -> Result<Data> {
    let data = content.data(query.get("selection"), query.flag("flatten")?, dtype)?;
    let wanted = data.decoded_bytes().saturating_mul(times);
    let allowed = app.limits.max_decoded;
    if wanted > allowed {
        return Err(Error::TooLarge { what: "data to be decoded", wanted, allowed });
    }
    Ok(data)
}

fn data(
    app: &App,
    asked: &Asked,
    query: &Query,
    opened: &OpenedFile,
    content: &Content,
    out: &mut Answer,
) -> Result<Body> {
    let dtype = query.get("dtype").map(DtypeConversion::parse).transpose()?.unwrap_or_default();
    let encoding = query.get("format").map(Encoding::parse).transpose()?.unwrap_or_default();
    let data = part(app, content, query, dtype, 1)?.with_check(check_of(out.job()));
    let len = encoded_len(&data, encoding)?;
    within(app, &data, encoding, out.job())?;
    headers(out, encoding);
    if !data.may_lead_elsewhere() {
        tag(out, opened);
    }
    if encoding == Encoding::Bin {
        out.header(header::ACCEPT_RANGES, "bytes");
    }
    if let (Encoding::Bin, Some(len)) = (encoding, len)
        && let Some(range) = asked.header(header::RANGE)
        && asked.header(header::IF_RANGE).is_none_or(|tag| tag.trim_matches('"') == opened.own_tag())
    {
        match byte_range(range, len) {
            Some(Ok((start, end))) => {
                out.status(StatusCode::PARTIAL_CONTENT);
                out.header(header::CONTENT_RANGE, &format!("bytes {start}-{}/{len}", end - 1));
                out.header(header::CONTENT_LENGTH, &(end - start).to_string());
                return Ok(if asked.is_head() { Body::None } else { Body::Range(data, start, end) });
            }
            Some(Err(())) => {
                out.status(StatusCode::RANGE_NOT_SATISFIABLE);
                out.header(header::CONTENT_RANGE, &format!("bytes */{len}"));
                out.header(header::CONTENT_TYPE, "application/json");
                let text = format!("{{\"message\":\"the range lies outside of {len} bytes\"}}");
                return Ok(if asked.is_head() { Body::None } else { Body::Ready(text.into()) });
            }
            None => {}
        }
    }
    if let Some(len) = len {
        out.header(header::CONTENT_LENGTH, &len.to_string());
    }
    Ok(if asked.is_head() { Body::None } else { Body::Data(data, encoding) })
}

/// An answer whose length is between two bounds is measured first when it may be too large.
fn within(app: &App, data: &Data, encoding: Encoding, job: &Arc<Job>) -> Result<()> {
    let allowed = app.limits.max_response;
    let too_large = |wanted| Error::TooLarge { what: "answer", wanted, allowed };
    let (least, most) = encoded_len_bounds(data, encoding)?;
    if least > allowed {
        return Err(too_large(least));
    }
    if most.is_some_and(|most| most > allowed) {
        let mut measure = Measure { len: 0, allowed, job };
        encoders::write(data, encoding, &mut measure).map_err(|e| match &e {
            Error::File(inner) if is_too_large(inner) => too_large(allowed.saturating_add(1)),
            _ => e,
        })?;
    }
    Ok(())
}

struct Measure<'a> {
    len: u64,
    allowed: u64,
    job: &'a Job,
}

impl Write for Measure<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.job.check()?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        if self.len > self.allowed { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes `start..end` that `Range` asks for: `None` if it does not ask for one range of bytes, an error if there
/// are no such bytes.
fn byte_range(text: &str, len: u64) -> Option<Result<(u64, u64), ()>> {
    let range = text.trim().strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = (first.trim(), last.trim());
    let (start, end) = match (number(first), number(last)) {
        (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(len)),
        (Some(start), None) if last.is_empty() => (start, len),
        (None, Some(suffix)) if first.is_empty() => (len.saturating_sub(suffix), len),
        _ => return None,
    };
    Some(if start < end { Ok((start, end)) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, range) in [
            ("bytes=0-0", Some(Ok((0, 1)))),
            ("bytes=2-", Some(Ok((2, 10)))),
            ("bytes=-3", Some(Ok((7, 10)))),
            ("bytes=-30", Some(Ok((0, 10)))),
            ("bytes=5-99999999999999999999", Some(Ok((5, 10)))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=3-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=-", None),
        ] {
            assert_eq!(byte_range(text, 10), range, "{text}");
        }
    }
}
