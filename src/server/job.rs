//! The work of one request, and the answer that it writes.

use std::{
    io::{self, Write},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{
    Limits,
    compress::{Coding, Compressor},
    files::message,
};
use crate::h5grove::{Error, encoders};

/// Bytes that are written before the answer begins: what fails before is told with a status of its own.
const FIRST: usize = 1 << 20;
/// Bytes of a part of the answer.
const PART: usize = 256 << 10;
/// Parts that wait for the client.
const WAITING: usize = 4;
/// Bytes a second at the slowest rate.
const SLOWEST: u64 = 32 << 10;

/// What the work of a request may cost, and whether anybody still waits for it.
#[derive(Debug)]
pub struct Job {
    gone: AtomicBool,
    begin: Instant,
    timeout: Duration,
    /// Milliseconds for which the client let us wait.
    waited: AtomicU64,
}

impl Job {
    /// May work for so long.
    pub fn new(timeout: Duration) -> Arc<Self> {
        Arc::new(Job {
            gone: AtomicBool::new(false),
            begin: Instant::now(),
            timeout,
            waited: AtomicU64::new(0),
        })
    }

    fn is_late(&self) -> bool {
        let waited = Duration::from_millis(self.waited.load(Ordering::Relaxed));
        self.begin.elapsed() > self.timeout.saturating_add(waited)
    }

    /// When the time is over.
    pub fn until(&self) -> Instant {
        self.begin + self.timeout
    }

    /// An error if the client is gone or the time is over.
    pub fn check(&self) -> io::Result<()> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client is gone"));
        }
        if self.is_late() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the answer takes too long"));
        }
        Ok(())
    }

    /// Tells the work to stop when this is dropped.
    pub fn guard(self: &Arc<Self>) -> Guard {
        Guard(self.clone())
    }
}

/// Dropped when nobody waits for the answer any more.
#[derive(Debug)]
pub struct Guard(Arc<Job>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Relaxed);
    }
}

/// The beginning of an answer, or all of it.
#[derive(Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// What follows.
    pub rest: Rest,
}

/// What follows the headers.
#[derive(Debug)]
pub enum Rest {
    /// These bytes.
    Full(Bytes),
    /// Nothing, because only the headers were asked for.
    Nothing,
    /// What comes.
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

impl Head {
    /// An error as h5grove has them.
    pub fn error(status: StatusCode, text: &str) -> Self {
        let mut body = Vec::new();
        // Writing to a vector does not fail.
        let _ = encoders::json_encode(encoders::Payload::Message(text), &mut body);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Head { status, headers, rest: Rest::Full(body.into()) }
    }

    /// The answer to an error of the content.
    pub fn of(error: &Error) -> Self {
        if is_timeout(error) {
            return Head::error(StatusCode::SERVICE_UNAVAILABLE, "the answer takes too long");
        }
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Head::error(status, &message(error))
    }

    /// The response.
    pub fn into_response(self, guard: Guard) -> axum::response::Response {
        let mut response = match self.rest {
            Rest::Full(bytes) => axum::response::Response::new(Body::from(bytes)),
            Rest::Nothing => axum::response::Response::new(Body::empty()),
            Rest::Stream(parts) => axum::response::Response::new(Body::new(Stream { parts, _guard: guard })),
        };
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// True if the time was over.
pub fn is_timeout(error: &Error) -> bool {
    let Error::File(e) = error else { return false };
    matches!(e.kind(), crate::ErrorKind::Io(e) if e.kind() == io::ErrorKind::TimedOut)
}

/// Parts of an answer as they come.
struct Stream {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    _guard: Guard,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.parts.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The answer of a job: a writer that hands on what is written to it.
pub struct Answer {
    job: Arc<Job>,
    handle: Handle,
    head: Option<oneshot::Sender<Head>>,
    headers: HeaderMap,
    status: StatusCode,
    buffer: Vec<u8>,
    parts: Option<mpsc::Sender<io::Result<Bytes>>>,
    written: u64,
    max: u64,
    patience: Duration,
    compressor: Option<Compressor>,
    /// A copy of all that was written, as long as it is little.
    copy: Option<Vec<u8>>,
}

impl Answer {
    /// Within these limits. To be called, and used, on a thread that may block.
    pub fn new(job: Arc<Job>, handle: Handle, head: oneshot::Sender<Head>, limits: &Limits) -> Self {
        Answer {
            job,
            handle,
            head: Some(head),
            headers: HeaderMap::new(),
            status: StatusCode::OK,
            buffer: Vec::new(),
            parts: None,
            written: 0,
            max: limits.max_response,
            patience: limits.patience,
            compressor: None,
            copy: None,
        }
    }

    /// Compresses what is written from now on.
    pub fn compress(&mut self, coding: Option<Coding>) {
        self.compressor = coding.map(Compressor::new);
    }

    /// Keeps a copy of what is written from now on, if it is little.
    pub fn keep_copy(&mut self) {
        self.copy = Some(Vec::new());
    }

    /// The job.
    pub fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// Sets the status of the answer.
    pub fn status(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// Sets a header; a value that cannot be one is left out.
    pub fn header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    fn begin(&mut self, rest: Rest) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::ConnectionAborted);
        let head = Head { status: self.status, headers: std::mem::take(&mut self.headers), rest };
        self.head.take().ok_or_else(gone)?.send(head).map_err(|_| gone())
    }

    fn send(&mut self) -> io::Result<()> {
        if self.parts.is_none() {
            let (sender, receiver) = mpsc::channel(WAITING);
            self.begin(Rest::Stream(receiver))?;
            self.parts = Some(sender);
        }
        let part = Bytes::from(std::mem::take(&mut self.buffer));
        self.push(Ok(part))
    }

    fn push(&mut self, part: io::Result<Bytes>) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::ConnectionAborted);
        let Some(parts) = &self.parts else { return Err(gone()) };
        let part = match parts.try_send(part) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(gone()),
            Err(mpsc::error::TrySendError::Full(part)) => part,
        };
        let allowed = self.patience.saturating_add(Duration::from_secs(self.written / SLOWEST));
        let waited = Duration::from_millis(self.job.waited.load(Ordering::Relaxed));
        let begin = Instant::now();
        // Neither one long wait nor a long time of short ones.
        let left = allowed.saturating_sub(waited).min(self.patience);
        let sent = self.handle.block_on(async { tokio::time::timeout(left, parts.send(part)).await });
        self.job.waited.fetch_add(begin.elapsed().as_millis() as u64, Ordering::Relaxed);
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly")),
        }
    }

    /// Ends the answer; the copy, if one was kept.
    pub fn finish(mut self) -> io::Result<Option<Bytes>> {
        if let Some(compressor) = self.compressor.take() {
            let rest = compressor.finish()?;
            self.put(&rest)?;
        }
        let copy = self.copy.take().map(Bytes::from);
        match self.parts {
            None => {
                let bytes = Bytes::from(std::mem::take(&mut self.buffer));
                self.begin(Rest::Full(bytes))?;
            }
            Some(_) if self.buffer.is_empty() => {}
            Some(_) => self.send()?,
        }
        Ok(copy)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.capacity() == 0 && self.parts.is_some() {
            self.buffer.reserve(PART);
        }
        // Parts of one size, so that what waits for the client is bounded.
        let mut rest = bytes;
        while !rest.is_empty() {
            let limit = if self.parts.is_none() { FIRST } else { PART };
            let (now, later) = rest.split_at(rest.len().min(limit.saturating_sub(self.buffer.len()).max(1)));
            self.buffer.extend_from_slice(now);
            rest = later;
            if self.buffer.len() >= limit {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Writes a part, without a copy if it is large and goes to the client as it is; memory to be used again.
    pub fn give(&mut self, part: Vec<u8>) -> io::Result<Vec<u8>> {
        if part.len() < PART / 2 || self.parts.is_none() || self.compressor.is_some() || self.copy.is_some() {
            self.write_all(&part)?;
            return Ok(part);
        }
        self.count(part.len())?;
        if !self.buffer.is_empty() {
            self.send()?;
        }
        self.push(Ok(part.into()))?;
        Ok(Vec::new())
    }

    /// Bytes that are to be written, if they may be.
    fn count(&mut self, len: usize) -> io::Result<()> {
        self.job.check()?;
        self.written = self.written.saturating_add(len as u64);
        if self.written > self.max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer is too large"));
        }
        Ok(())
    }

    /// Compressed content has a tag of its own.
    fn tell_coding(&mut self, coding: Coding) {
        self.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        let tag = self.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        if let Some(tag) = tag.map(|tag| format!("\"{}-{}\"", tag.trim_matches('"'), coding.name())) {
            self.header(header::ETAG, &tag);
        }
    }

    /// Ends an answer that is headers only.
    pub fn finish_empty(mut self) -> io::Result<()> {
        self.begin(Rest::Nothing)
    }

    /// Gives this answer instead, if none has begun; else the connection is broken off, so that the client sees that
    /// something is missing.
    pub fn fail(mut self, head: Head, reason: &str) {
        match self.head.take() {
            Some(sender) => drop(sender.send(head)),
            None => drop(self.push(Err(io::Error::other(reason.to_owned())))),
        }
    }
}

impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count(bytes.len())?;
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(bytes);
            if copy.len() > super::files::ANSWER {
                self.copy = None;
            }
        }
        match &mut self.compressor {
            None => self.put(bytes)?,
            Some(compressor) => {
                let before = compressor.coding();
                let out = compressor.add(bytes)?;
                if let (None, Some(coding)) = (before, compressor.coding()) {
                    self.tell_coding(coding);
                }
                self.put(&out)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
