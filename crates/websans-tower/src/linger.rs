//! [`Lingering`]: connections of HTTP/1.1 whose handshake was refused, until the client has read why.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tokio::time::timeout;
use websans_tokio::drain;

/// Most at once: beyond it, connections are dropped.
const MOST: usize = 64;
/// How long the end of a client is waited for.
const WITHIN: Duration = Duration::from_millis(500);

/// Connections of HTTP/1.1 whose handshake was refused, until the client has read why.
///
/// hyper hands these over like any that asks for an upgrade, whatever the response. Dropped with bytes unread, the connection is reset,
/// and the client may lose the response; without a shutdown, TLS ends in what looks like an attack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lingering {
    count: Arc<AtomicUsize>,
}

impl Lingering {
    /// Sees to the end of a connection, in a task of its own.
    pub(crate) fn end(&self, on_upgrade: OnUpgrade) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.count.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let guest = Guest(Arc::clone(&self.count));
        runtime.spawn(async move {
            let _ = timeout(WITHIN, async {
                if let Ok(io) = on_upgrade.await {
                    let _ = drain(&mut TokioIo::new(io)).await; // it ends either way
                }
            })
            .await;
            drop(guest);
        });
    }
}

/// One of those that are counted.
struct Guest(Arc<AtomicUsize>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
