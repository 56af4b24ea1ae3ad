//! [`Refusals`]: what is said to those who come when all places are taken.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use websans::handshake::server::Response;

use crate::drain::drain;

/// Answers 503, to so many at once.
pub(super) struct Refusals {
    /// Empty if there is nothing to be said.
    answer: Arc<[u8]>,
    tasks: JoinSet<()>,
}

/// Answers that are under way at once. Whoever comes beyond is closed without a word: the answer is a courtesy, and must not
/// cost what the limit saves.
const MOST: usize = 64;

/// How long an answer may take in all.
const WITHIN: Duration = Duration::from_secs(1);

impl Refusals {
    pub(super) fn new(retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs().saturating_add(u64::from(retry_after.subsec_nanos() > 0));
        let response =
            Response::new(503).and_then(|response| response.header("Retry-After", &seconds.to_string()));
        let mut answer = Vec::new();
        if let Ok(response) = response {
            response.write(&mut answer);
        }
        Self { answer: answer.into(), tasks: JoinSet::new() }
    }

    pub(super) fn refuse(&mut self, mut stream: TcpStream) {
        if self.tasks.len() >= MOST || self.answer.is_empty() {
            return;
        }
        let answer = Arc::clone(&self.answer);
        self.tasks.spawn(async move {
            let _ = timeout(WITHIN, async {
                // The request is not waited for. To close with it unread would reset the connection, so it is read after.
                stream.write_all(&answer).await?;
                drain(&mut stream).await
            })
            .await;
        });
    }

    /// Forgets those that are done.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
    }
}
