//! The server answers as h5grove does (testdata/h5grove/answers.jsonl.gz holds the answers of the reference), and what
//! it does beyond that: tags, ranges, compression, HEAD, limits.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

mod common;

use std::{io::Read, time::Duration};

use common::{Folder, Served, served};
use h5::{File, server::Options};

const DATA: &str = "testdata/h5grove";

fn base64(text: &str) -> Vec<u8> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0u32, |n, &b| n << 6 | u32::from(value(b))) << (6 * (4 - four.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    out
}

#[test]
fn answers_are_those_of_the_reference() {
    let server = served(DATA);
    let mut client = server.client();
    let mut text = String::new();
    let packed = std::fs::File::open(format!("{DATA}/answers.jsonl.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let (mut wrong, mut all) = (Vec::new(), 0);
    for line in text.lines() {
        let wanted: serde_json::Value = serde_json::from_str(line).unwrap();
        let url = wanted["url"].as_str().unwrap();
        let body = base64(wanted["body"].as_str().unwrap());
        let got = client.get(url);
        all += 1;
        let status = wanted["status"].as_u64().unwrap();
        let is_same = if status >= 400 {
            let message: serde_json::Value = serde_json::from_slice(&got.body).unwrap_or_default();
            message["message"].is_string()
        } else {
            got.body == body
                && got.header("content-type") == wanted["type"].as_str()
                && got.header("content-disposition").unwrap_or_default() == wanted["disposition"]
        };
        if got.status as u64 != status || !is_same {
            let shown = |body: &[u8]| String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            wrong.push(format!("{url}\n  {} {}\n  {status} {}", got.status, shown(&got.body), shown(&body)));
        }
    }
    assert!(all > 1500);
    assert!(wrong.is_empty(), "{} of {all} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn paths_and_health_and_the_unknown() {
    let server = served(DATA);
    let mut client = server.client();
    assert_eq!(client.get("/").body, b"ok");
    let health = client.get("/health").json();
    assert_eq!(health["status"], "ok");
    let files = client.get("/files").json();
    let names: Vec<&str> =
        files["files"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(names, ["attacks/beside.h5", "attacks/outwards.h5", "other.h5", "types.h5"]);
    assert_eq!(files["truncated"], false);
    for (url, status) in [
        ("/nothing", 404),
        ("/meta", 422),
        ("/meta?file=nothing.h5", 404),
        ("/meta?file=", 404),
        ("/meta?file=answers.jsonl.gz", 422),
        ("/data?file=types.h5&path=/numbers", 422),
        ("/stats?file=types.h5&path=/numbers", 422),
        ("/stats?file=types.h5&path=/text/fixed", 422),
        ("/stats?file=types.h5&path=/shapes/null", 422),
        ("/paths?file=types.h5&path=/shapes/cube", 422),
        ("/attr?file=types.h5&path=/attributes&attr_keys=none", 404),
        ("/attr?file=types.h5&path=/links/broken", 422),
        ("/data?file=types.h5&path=/shapes/cube&selection=x", 422),
        ("/data?file=types.h5&path=/shapes/cube&selection=", 422),
        ("/data?file=types.h5&path=/shapes/cube&selection=0,0,0,0", 422),
        ("/data?file=types.h5&path=/shapes/cube&selection=9", 422),
        ("/data?file=types.h5&path=/shapes/cube&selection=::-1", 422),
        ("/data?file=types.h5&path=/shapes/cube&flatten=perhaps", 422),
        ("/data?file=types.h5&path=/shapes/cube&format=csv", 422),
        ("/data?file=types.h5&path=/numbers/digits&format=tiff", 422),
        ("/data?file=types.h5&path=/text/variable&format=bin", 422),
        ("/data?file=types.h5&path=/shapes/null&format=bin", 422),
        ("/meta?file=types.h5&path=/links/broken&resolve_links=all", 404),
    ] {
        let got = client.get(url);
        assert_eq!(got.status, status, "{url}: {}", String::from_utf8_lossy(&got.body));
        assert!(got.json()["message"].is_string(), "{url}");
        assert_eq!(got.header("content-type"), Some("application/json"));
    }
    assert_eq!(client.request("POST", "/meta?file=types.h5", &[]).status, 405);
}

#[test]
fn tags_save_the_body() {
    let folder = Folder::new("tags");
    let path = folder.path("a.h5");
    std::fs::copy("testdata/h5grove/types.h5", &path).unwrap();
    let server = Served::start(Options::new(folder.root()));
    let mut client = server.client();
    let url = "/data?file=a.h5&path=/numbers/sum32";
    // A file that was only just written may change once more without another time.
    assert_eq!(client.get(url).header("etag"), None);
    std::thread::sleep(Duration::from_millis(1100));
    let first = client.get(url);
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!((first.status, first.header("cache-control")), (200, Some("no-cache")));
    for tag in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}")] {
        let again = client.request("GET", url, &[("If-None-Match", &tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    assert_eq!(client.request("GET", url, &[("If-None-Match", "\"x\"")]).status, 200);
    // Compressed content has a tag of its own, and is recognised.
    let packed = client.request("GET", url, &[("Accept-Encoding", "gzip")]);
    assert_ne!(packed.header("etag").unwrap(), tag);
    let tag = packed.header("etag").unwrap().to_owned();
    assert_eq!(client.request("GET", url, &[("If-None-Match", &tag)]).status, 304);
    // Another file of the same name.
    std::fs::copy("testdata/h5grove/other.h5", &path).unwrap();
    assert_eq!(client.request("GET", url, &[("If-None-Match", &tag)]).status, 404);
    // What other files have a say in has no tag.
    std::fs::copy("testdata/h5grove/types.h5", &path).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let linked = "/meta?file=a.h5&path=/links";
    let before = client.get(linked);
    assert_eq!(before.header("etag"), None);
    assert_eq!(before.json()["children"][1]["kind"], "external_link");
    std::fs::copy("testdata/h5grove/other.h5", folder.path("other.h5")).unwrap();
    assert_eq!(client.get(linked).json()["children"][1]["kind"], "dataset");
}

#[test]
fn ranges_of_bytes() {
    let server = served(DATA);
    let mut client = server.client();
    let url = "/data?file=types.h5&path=/shapes/chunked&format=bin&selection=5:";
    let whole = client.get(url);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-length"), Some("3800"));
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=1001-2002", 1001, 2003),
        ("bytes=-7", 3793, 3800),
        ("bytes=3000-", 3000, 3800),
    ] {
        let part = client.request("GET", url, &[("Range", range)]);
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, &whole.body[start..end], "{range}");
        assert_eq!(part.header("content-range").unwrap(), format!("bytes {start}-{}/3800", end - 1));
    }
    let outside = client.request("GET", url, &[("Range", "bytes=3800-")]);
    assert_eq!((outside.status, outside.header("content-range")), (416, Some("bytes */3800")));
    assert_eq!(client.request("GET", url, &[("Range", "bytes=1-2,4-5")]).status, 200);
    assert_eq!(client.request("GET", url, &[("Range", "bytes=1-2"), ("If-Range", "\"x\"")]).status, 200);
}

#[test]
fn json_is_compressed_when_asked_for() {
    let server = served(DATA);
    let mut client = server.client();
    let url = "/data?file=types.h5&path=/numbers/sum32";
    let plain = client.get(url);
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("Accept-Encoding")));
    let packed = client.request("GET", url, &[("Accept-Encoding", "gzip, br")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut back).unwrap();
    assert_eq!(back, plain.body);
    let zstd = client.request("GET", url, &[("Accept-Encoding", "zstd")]);
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    assert!(zstd.body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) && zstd.body.len() < plain.body.len());
    // Nothing is gained by compressing little, and other formats are not compressed.
    let small =
        client.request("GET", "/stats?file=types.h5&path=/numbers/sum32", &[("Accept-Encoding", "gzip")]);
    assert_eq!(small.header("content-encoding"), None);
    let bin = client.request("GET", &format!("{url}&format=bin"), &[("Accept-Encoding", "gzip")]);
    assert_eq!(bin.header("content-encoding"), None);
}

#[test]
fn head_gives_the_headers_only() {
    let server = served(DATA);
    let mut client = server.client();
    for format in ["bin", "npy", "tiff"] {
        let url = format!("/data?file=types.h5&path=/numbers/sum32&format={format}");
        let head = client.request("HEAD", &url, &[]);
        let full = client.get(&url);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length").unwrap(), full.body.len().to_string(), "{format}");
        assert_eq!(head.header("content-type"), full.header("content-type"));
    }
    for url in ["/", "/meta?file=types.h5", "/data?file=types.h5&path=/numbers/sum32", "/files", "/health"] {
        let head = client.request("HEAD", url, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{url}");
    }
    assert_eq!(client.request("HEAD", "/meta?file=none.h5", &[]).status, 404);
}

/// Another decoder than ours reads the images.
#[test]
fn images_are_images() {
    use tiff::decoder::{Decoder, DecodingResult};
    let server = served(DATA);
    let mut client = server.client();
    let mut get = |path: &str| client.get(&format!("/data?file=types.h5&path={path}&format=tiff"));
    let answer = get("/shapes/cube");
    assert_eq!(answer.header("content-type"), Some("image/tiff"));
    let mut decoder = Decoder::new(std::io::Cursor::new(answer.body)).unwrap();
    for page in 0..2u16 {
        assert_eq!(decoder.dimensions().unwrap(), (4, 3));
        let DecodingResult::U16(values) = decoder.read_image().unwrap() else { panic!("another type") };
        assert_eq!(values, (page * 12..page * 12 + 12).collect::<Vec<u16>>());
        if page == 0 {
            decoder.next_image().unwrap();
        }
    }
    assert!(!decoder.more_images());
    let file = File::open("testdata/h5grove/types.h5").unwrap();
    for path in ["/numbers/be_f4", "/numbers/le_f4"] {
        let mut decoder = Decoder::new(std::io::Cursor::new(get(path).body)).unwrap();
        let DecodingResult::F32(values) = decoder.read_image().unwrap() else { panic!("another type") };
        let wanted = file.dataset(path).unwrap().read_vec::<f32>().unwrap();
        assert!(values.iter().zip(&wanted).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    let bits = get("/numbers/wide_flags").body;
    let wanted: Vec<bool> = file.dataset("/numbers/wide_flags").unwrap().read_vec().unwrap();
    let packed: Vec<u8> = wanted
        .chunks(11)
        .flat_map(|row| {
            row.chunks(8)
                .map(|eight| eight.iter().enumerate().fold(0, |n, (i, &b)| n | u8::from(b) << (7 - i)))
        })
        .collect();
    assert!(bits.ends_with(&packed));
}

#[test]
fn other_origins_may_be_allowed() {
    let mut options = Options::new(DATA);
    options.cors = vec!["https://example.org".to_owned()];
    let server = Served::start(options);
    let mut client = server.client();
    let allowed = client.request("GET", "/", &[("Origin", "https://example.org")]);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://example.org"));
    let other = client.request("GET", "/", &[("Origin", "https://example.com")]);
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert_eq!(served(DATA).client().get("/").header("access-control-allow-origin"), None);
}

#[test]
fn the_viewer_has_a_place() {
    let server = served(DATA);
    let mut client = server.client();
    let moved = client.get("/view?file=types.h5");
    assert_eq!((moved.status, moved.header("location")), (308, Some("view/?file=types.h5")));
    let page = client.get("/view/");
    let text = String::from_utf8(page.body.clone()).unwrap();
    // Whether it was built before the tests or not.
    match page.status {
        200 => {
            assert!(text.contains("<div id=\"root\">"));
            assert!(page.header("content-security-policy").is_some());
        }
        status => assert!(status == 404 && text.contains("npm ci && npm run build"), "{text}"),
    }
    let mut options = Options::new(DATA);
    options.viewer = false;
    assert_eq!(Served::start(options).client().get("/view/").json()["message"], "there is no such endpoint");
}
