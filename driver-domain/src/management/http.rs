//! Requests of HTTP/1.1 as far as reading a few pages needs them (RFC 9112), and the heads of responses.

use alloc::format;
use alloc::string::String;

/// Bytes of a request's head at most.
pub const HEAD_MAX: usize = 2048;

/// What there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `/`
    Page,
    /// `/metrics`
    Metrics,
    /// `/capture.pcap`
    Capture,
}

/// A request that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// What is wanted.
    pub resource: Resource,
    /// Only the head of it.
    pub head_only: bool,
}

/// Why a request is not answered with what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no HTTP request.
    Bad,
    /// There is no such resource.
    NotFound,
    /// It wants to change something.
    Method,
    /// Its head is longer than [`HEAD_MAX`].
    TooLong,
    /// Too many requests of late.
    TooMany,
}

/// Reads a request's head. `None` while it is not complete.
pub fn parse(bytes: &[u8]) -> Option<Result<HttpRequest, Refusal>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    match end {
        Some(_) => {}
        None if bytes.len() >= HEAD_MAX => return Some(Err(Refusal::TooLong)),
        None => return None,
    }
    let line = bytes
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Some(Err(Refusal::Bad));
    };
    if !version.starts_with(b"HTTP/1.") || method.is_empty() {
        return Some(Err(Refusal::Bad));
    }
    let head_only = match method {
        b"GET" => false,
        b"HEAD" => true,
        _ => return Some(Err(Refusal::Method)),
    };
    let path = target
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    let resource = match path {
        b"/" => Resource::Page,
        b"/metrics" => Resource::Metrics,
        b"/capture.pcap" => Resource::Capture,
        _ => return Some(Err(Refusal::NotFound)),
    };
    Some(Ok(HttpRequest {
        resource,
        head_only,
    }))
}

/// The head of a response that ends with the connection.
pub fn head(resource: Resource) -> String {
    let kind = match resource {
        Resource::Page => "text/html; charset=utf-8",
        Resource::Metrics => "text/plain; version=0.0.4; charset=utf-8",
        Resource::Capture => "application/vnd.tcpdump.pcap",
    };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
}

/// A whole response that refuses a request.
pub fn refusal(why: Refusal) -> String {
    let (status, more) = match why {
        Refusal::Bad => ("400 Bad Request", ""),
        Refusal::NotFound => ("404 Not Found", ""),
        Refusal::Method => ("405 Method Not Allowed", "Allow: GET, HEAD\r\n"),
        Refusal::TooLong => ("431 Request Header Fields Too Large", ""),
        Refusal::TooMany => ("429 Too Many Requests", "Retry-After: 1\r\n"),
    };
    let length = status.len() + 1;
    format!(
        "HTTP/1.1 {status}\r\n{more}Content-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{status}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_read_and_others_refused_by_their_cause() {
        let get = |resource, head_only| {
            Some(Ok(HttpRequest {
                resource,
                head_only,
            }))
        };
        for (request, expected) in [
            (
                "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                get(Resource::Page, false),
            ),
            (
                "GET /metrics HTTP/1.0\r\n\r\n",
                get(Resource::Metrics, false),
            ),
            (
                "HEAD /metrics?a=b HTTP/1.1\r\n\r\n",
                get(Resource::Metrics, true),
            ),
            (
                "GET /capture.pcap HTTP/1.1\r\n\r\n",
                get(Resource::Capture, false),
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\n", None),
            (
                "GET /etc/passwd HTTP/1.1\r\n\r\n",
                Some(Err(Refusal::NotFound)),
            ),
            ("POST / HTTP/1.1\r\n\r\n", Some(Err(Refusal::Method))),
            ("GET /\r\n\r\n", Some(Err(Refusal::Bad))),
            ("GET / HTTP/2\r\n\r\n", Some(Err(Refusal::Bad))),
            ("\r\n\r\n", Some(Err(Refusal::Bad))),
        ] {
            assert_eq!(parse(request.as_bytes()), expected, "{request:?}");
        }
        assert_eq!(parse(&[b'a'; HEAD_MAX]), Some(Err(Refusal::TooLong)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_a_refusal_or_a_beginning(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let parsed = parse(&bytes);
            prop_assert!(parsed.is_some() || bytes.len() < HEAD_MAX);
            if let Some(Err(why)) = parsed {
                prop_assert!(refusal(why).starts_with("HTTP/1.1 4"));
            }
        }
    }
}
