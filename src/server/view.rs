//! The viewer: the files of `viewer/dist`, if there were any when this was built.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

/// Path below `/view/`, content.
type Assets = &'static [(&'static str, &'static [u8])];

const ASSETS: Assets = include!(concat!(env!("OUT_DIR"), "/viewer.rs"));

/// What is said when the viewer is not part of this build.
const MISSING: &str = "This build of h5 has no viewer. To build it: npm ci && npm run build in the folder viewer/, then \
                       cargo build --release --features server.\n";

/// Only what the page needs: its own scripts, which make functions of text (ndarray's loops), and styles that it sets
/// itself.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-eval'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; \
                      font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
                      frame-ancestors 'self'";

/// True if the viewer is part of this build.
pub fn is_built() -> bool {
    !ASSETS.is_empty()
}

/// A file of the viewer.
pub fn asset(path: &str) -> Response {
    if !is_built() {
        return respond(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", MISSING.as_bytes(), false);
    }
    let path = if path.is_empty() { "index.html" } else { path };
    match ASSETS.iter().find(|(name, _)| *name == path) {
        // The names of all but the page have a hash of their content.
        Some((name, bytes)) => respond(StatusCode::OK, media_type(name), bytes, *name != "index.html"),
        None => {
            respond(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", b"There is no such file.\n", false)
        }
    }
}

fn respond(
    status: StatusCode,
    media_type: &'static str,
    bytes: &'static [u8],
    is_immutable: bool,
) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let caching = if is_immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
