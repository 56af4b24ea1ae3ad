//! [`Provider`]: an implementation of permessage-deflate, as handshakes see it.

use alloc::sync::Arc;
use core::fmt;

use super::{Codec, Config, Parameters};

/// An implementation of permessage-deflate, with its settings: shared by any number of connections.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Begins the negotiation of one connection.
    fn propose(&self) -> Arc<dyn Proposal>;
}

/// What may be agreed on in one handshake. It lives as long as the handshake, so that it can hold what it promises:
/// memory for contexts, say.
pub trait Proposal: Send + Sync + fmt::Debug {
    /// What this end wants, the same at every call.
    fn config(&self) -> Config;

    /// The codec for what has been agreed on, which does not exceed [`config`](Self::config). Asked for once.
    fn codec(&self, is_client: bool, agreed: Parameters) -> Codec;
}

/// A shared [`Provider`], as handshakes are given it.
#[derive(Clone, Debug)]
pub struct Extension(Arc<dyn Provider>);

impl Extension {
    /// Begins the negotiation of one connection.
    #[must_use]
    pub fn propose(&self) -> Arc<dyn Proposal> {
        self.0.propose()
    }
}

impl<P: Provider + 'static> From<P> for Extension {
    fn from(provider: P) -> Self {
        Self(Arc::new(provider))
    }
}

impl From<&Self> for Extension {
    fn from(extension: &Self) -> Self {
        extension.clone()
    }
}

impl From<&Extension> for Option<Extension> {
    fn from(extension: &Extension) -> Self {
        Some(extension.clone())
    }
}
