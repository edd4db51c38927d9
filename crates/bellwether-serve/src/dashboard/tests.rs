use std::collections::BTreeSet;
use std::io::Write as _;

use axum::body::to_bytes;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{FILES, File, answer, serve, unpacked};

fn packed(text: &str) -> &'static [u8] {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().leak()
}

fn files() -> &'static [File] {
    let file = |path, kind, tag, text| File {
        path,
        kind,
        tag,
        gzip: packed(text),
    };
    vec![
        file(
            "assets/index-1a2b.js",
            "text/javascript; charset=utf-8",
            "\"js\"",
            "start()",
        ),
        file("docs.html", "text/html; charset=utf-8", "\"docs\"", "<p>API</p>"),
        file(
            "index.html",
            "text/html; charset=utf-8",
            "\"index\"",
            "<p>bell</p>",
        ),
    ]
    .leak()
}

fn asked(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.parse().unwrap()))
        .collect()
}

fn said<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

async fn body(response: Response) -> Vec<u8> {
    to_bytes(response.into_body(), 16 << 20).await.unwrap().to_vec()
}

#[tokio::test]
async fn a_path_that_looks_like_a_page_is_the_dashboard_and_any_other_is_not() {
    let person = asked(&[(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")]);
    let program = asked(&[(header::ACCEPT, "*/*")]);
    for page in ["/", "/devices/pump%201", "/alerts/7/feedback/real", "/index.html"] {
        let response = answer(files(), page, &person);
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        assert_eq!(body(response).await, b"<p>bell</p>", "{page}");
    }
    // The address that `serve` names, for whoever asks.
    assert_eq!(body(answer(files(), "/", &program)).await, b"<p>bell</p>");
    for other in [
        "/api/v1/nothing",
        "/assets/index-0000.js",
        "/v2/nothing",
        "/../index.html",
    ] {
        assert_eq!(
            answer(files(), other, &program).status(),
            StatusCode::NOT_FOUND,
            "{other}"
        );
    }
    for other in ["/api/v1/nothing", "/assets/index-0000.js", "/v2/nothing"] {
        assert_eq!(
            answer(files(), other, &person).status(),
            StatusCode::NOT_FOUND,
            "{other}"
        );
    }
}

#[tokio::test]
async fn pages_are_only_for_reading() {
    let person = asked(&[(header::ACCEPT, "text/html")]);
    let response = serve(Method::POST, "/events".parse().unwrap(), person).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_is_compressed_for_those_who_take_it_and_plain_for_others() {
    for (takes, is_gzip) in [
        ("gzip, br", true),
        ("*", true),
        ("br", false),
        ("gzip;q=0", false),
        ("gzip; q=0.5", true),
    ] {
        let response = answer(
            files(),
            "/assets/index-1a2b.js",
            &asked(&[(header::ACCEPT_ENCODING, takes)]),
        );
        assert_eq!(
            said(&response, &header::CONTENT_ENCODING) == "gzip",
            is_gzip,
            "{takes}"
        );
        assert_eq!(said(&response, &header::VARY), "accept-encoding");
        assert_eq!(
            said(&response, &header::CONTENT_TYPE),
            "text/javascript; charset=utf-8"
        );
        let want = if is_gzip {
            packed("start()").to_vec()
        } else {
            b"start()".to_vec()
        };
        assert_eq!(body(response).await, want, "{takes}");
    }
}

#[tokio::test]
async fn who_has_a_file_is_not_sent_it_again() {
    for (tag, want) in [
        ("\"js\"", StatusCode::NOT_MODIFIED),
        ("\"a\", W/\"js\"", StatusCode::NOT_MODIFIED),
        ("*", StatusCode::NOT_MODIFIED),
        ("\"other\"", StatusCode::OK),
    ] {
        let response = answer(
            files(),
            "/assets/index-1a2b.js",
            &asked(&[(header::IF_NONE_MATCH, tag)]),
        );
        assert_eq!(response.status(), want, "{tag}");
        assert_eq!(said(&response, &header::ETAG), "\"js\"");
    }
}

#[tokio::test]
async fn files_with_a_fingerprint_are_kept_for_ever_and_pages_are_asked_for_again() {
    let none = HeaderMap::new();
    let cache = |path| said(&answer(files(), path, &none), &header::CACHE_CONTROL).to_owned();
    assert_eq!(
        cache("/assets/index-1a2b.js"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(cache("/index.html"), "no-cache");
}

#[tokio::test]
async fn every_page_forbids_what_it_does_not_need() {
    let none = HeaderMap::new();
    let policy = |path| said(&answer(files(), path, &none), &header::CONTENT_SECURITY_POLICY).to_owned();
    for path in ["/index.html", "/docs"] {
        let policy = policy(path);
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(policy.contains("script-src 'self';"), "{policy}");
    }
    assert!(!policy("/index.html").contains("unsafe"));
    assert!(policy("/docs").contains("style-src 'self' 'unsafe-inline'"));
    assert_eq!(
        said(
            &answer(files(), "/index.html", &none),
            &header::X_CONTENT_TYPE_OPTIONS
        ),
        "nosniff"
    );
    assert_eq!(
        said(&answer(files(), "/index.html", &none), &header::REFERRER_POLICY),
        "no-referrer"
    );
}

#[tokio::test]
async fn without_the_dashboard_a_plain_page_says_how_to_get_it() {
    let response = answer(&[], "/", &asked(&[(header::ACCEPT, "text/html")]));
    assert_eq!(response.status(), StatusCode::OK);
    let text = String::from_utf8(body(response).await).unwrap();
    assert!(text.contains("Node.js 20"), "{text}");
    assert_eq!(
        answer(&[], "/docs", &HeaderMap::new()).status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn what_was_packed_is_sorted_and_opens() {
    assert!(FILES.is_sorted_by(|a, b| a.path < b.path));
    for file in FILES {
        let path = format!("/{}", file.path).parse().unwrap();
        let response = serve(Method::GET, path, HeaderMap::new()).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", file.path);
        assert!(!body(response).await.is_empty(), "{}", file.path);
    }
}

/// What a browser loads before the first page is there, compressed.
const FIRST_LOAD_BYTES_MAX: usize = 120_000;

/// The texts between `start` and the next `end`.
fn between<'a>(text: &'a str, start: &'a str, end: char) -> impl Iterator<Item = &'a str> {
    text.split(start)
        .skip(1)
        .filter_map(move |rest| rest.split(end).next())
}

#[test]
fn the_first_page_is_there_soon_on_a_slow_line() {
    let mut wanted = vec!["index.html".to_owned()];
    let mut loaded = BTreeSet::new();
    let mut n_bytes = 0;
    while let Some(path) = wanted.pop() {
        let Some(file) = FILES.iter().find(|file| file.path == path) else {
            // Built without the dashboard.
            assert!(FILES.is_empty(), "there is no {path}");
            return;
        };
        if !loaded.insert(path.clone()) {
            continue;
        }
        n_bytes += file.gzip.len();
        let text = String::from_utf8(unpacked(file).unwrap()).unwrap();
        if path.ends_with(".html") {
            wanted.extend(
                ["src=\"/", "href=\"/"]
                    .iter()
                    .flat_map(|start| between(&text, start, '"').map(str::to_owned)),
            );
        } else if path.ends_with(".js") {
            // What a script imports at its start is loaded with it; `import("./…")` is not.
            let starts = ["from\"./", "import\"./"];
            wanted.extend(
                starts
                    .iter()
                    .flat_map(|start| between(&text, start, '"').map(|name| format!("assets/{name}"))),
            );
        }
    }
    assert!(
        loaded
            .iter()
            .any(|path| path.ends_with(".js") && path.starts_with("assets/")),
        "{loaded:?}"
    );
    assert!(n_bytes <= FIRST_LOAD_BYTES_MAX, "{n_bytes} bytes: {loaded:?}");
    eprintln!("{n_bytes} bytes: {loaded:?}");
}
