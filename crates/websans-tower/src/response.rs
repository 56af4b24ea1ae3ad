//! [`ResponseBody`]: the body of what the middleware answers, or of what the service beneath does.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;
use websans_tokio::handshake::server;

pin_project! {
    /// The body of a response: the service's, or a sentence of the middleware that says why a handshake was refused.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProj]
    #[derive(Debug)]
    enum Inner<B> {
        Service { #[pin] body: B },
        Refusal { #[pin] text: Full<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn service(body: B) -> Self {
        Self { inner: Inner::Service { body } }
    }

    fn refusal(text: impl Into<Bytes>) -> Self {
        Self { inner: Inner::Refusal { text: Full::new(text.into()) } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().inner.project() {
            InnerProj::Service { body } => body.poll_frame(cx),
            InnerProj::Refusal { text } => text.poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Service { body } => body.is_end_stream(),
            Inner::Refusal { text } => text.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Service { body } => body.size_hint(),
            Inner::Refusal { text } => text.size_hint(),
        }
    }
}

/// The core's response, as a request of this version of HTTP is answered.
pub(crate) fn refusal<B>(response: &server::Response, version: Version) -> http::Response<ResponseBody<B>> {
    let mut answer = http::Response::new(ResponseBody::refusal(response.content().to_vec()));
    *answer.status_mut() = StatusCode::from_u16(response.status()).unwrap_or(StatusCode::BAD_REQUEST);
    if version < Version::HTTP_2 {
        append(&mut answer, response.headers());
    } else {
        append(&mut answer, response.stream_headers());
    }
    answer
}

/// A sentence of the middleware's own.
pub(crate) fn sentence(
    status: StatusCode,
    version: Version,
    sentence: &dyn Display,
) -> http::Response<String> {
    let mut answer = http::Response::new(format!("{sentence}\n"));
    *answer.status_mut() = status;
    append(&mut answer, [("content-type", "text/plain; charset=utf-8")]);
    if version < Version::HTTP_2 {
        // What the client sends behind a refused handshake is nobody's.
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The same as the middleware's own answer.
pub(crate) fn own<B>(answer: http::Response<String>) -> http::Response<ResponseBody<B>> {
    answer.map(ResponseBody::refusal)
}

/// Appends headers, all of which the core or we have made valid.
pub(crate) fn append<'h, B>(
    answer: &mut http::Response<B>,
    headers: impl IntoIterator<Item = (&'h str, &'h str)>,
) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            answer.headers_mut().append(name, value);
        }
    }
}
