//! permessage-deflate: what both ends say of it, and what our side takes to be agreed on.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use websans::deflate::{Codec, Config, Extension, Parameters, Proposal, Provider};
use websans_deflate::{Deflate, Settings};

/// What both ends say of permessage-deflate in a handshake.
#[derive(Clone, Default)]
pub(crate) struct Compression {
    /// Our terms. Without, our client does not offer it, and our server declines it.
    pub(crate) ours: Option<Config>,
    /// What the peer asks for, in the words of its task. Without, its server declines, and its client offers
    /// whatever it offers by default.
    pub(crate) theirs: Option<Value>,
}

/// The parameters of one agreement: one of all those that there are with four sizes of window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) server_forgets: bool,
    pub(crate) client_forgets: bool,
    pub(crate) server_bits: u8,
    pub(crate) client_bits: u8,
}

impl Agreement {
    /// What asks for nothing: contexts are kept, windows are as large as they may be.
    pub(crate) const FREE: Self =
        Self { server_forgets: false, client_forgets: false, server_bits: 15, client_bits: 15 };

    /// As our own terms.
    pub(crate) fn config(self) -> Config {
        let mut config = Config::default();
        config.server_no_context_takeover = self.server_forgets;
        config.client_no_context_takeover = self.client_forgets;
        config.server_max_window_bits = self.server_bits;
        config.client_max_window_bits = self.client_bits;
        config
    }

    /// As what a peer is to ask for.
    pub(crate) fn task(self) -> Value {
        let mut task = Map::new();
        // A peer takes `false` for a refusal, not for no wish.
        for (name, asked) in [
            ("server_no_context_takeover", self.server_forgets),
            ("client_no_context_takeover", self.client_forgets),
        ] {
            if asked {
                task.insert(name.into(), true.into());
            }
        }
        task.insert("server_max_window_bits".into(), self.server_bits.into());
        task.insert("client_max_window_bits".into(), self.client_bits.into());
        task.into()
    }

    /// As a peer reports it.
    pub(crate) fn report(self) -> Value {
        report(self.server_forgets, self.client_forgets, self.server_bits, self.client_bits)
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forgets = |forgets| if forgets { "forgets" } else { "keeps" };
        write!(
            f,
            "server {} with {} bits, client {} with {} bits",
            forgets(self.server_forgets),
            self.server_bits,
            forgets(self.client_forgets),
            self.client_bits
        )
    }
}

fn report(server_forgets: bool, client_forgets: bool, server_bits: u8, client_bits: u8) -> Value {
    json!({
        "server_no_context_takeover": server_forgets,
        "client_no_context_takeover": client_forgets,
        "server_max_window_bits": server_bits,
        "client_max_window_bits": client_bits,
    })
}

impl Compression {
    /// The library's own compression with these terms, made so that it tells what is agreed on.
    pub(crate) fn recorder(&self) -> Recorder {
        let deflate = self.ours.map(|ours| {
            let mut settings = Settings::default();
            settings.negotiation = ours;
            Deflate::new(settings)
        });
        Recorder { deflate, agreed: Arc::default() }
    }
}

/// Looks on when the codec of a connection is made.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    deflate: Option<Deflate>,
    agreed: Arc<Mutex<Option<Parameters>>>,
}

impl Recorder {
    pub(crate) fn extension(&self) -> Option<Extension> {
        self.deflate.as_ref().map(|_| Extension::from(self.clone()))
    }

    /// The parameters that our side works by, as a peer reports them.
    pub(crate) fn agreed(&self) -> Value {
        let agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        agreed.map_or(Value::Null, |agreed| {
            report(
                agreed.server_no_context_takeover,
                agreed.client_no_context_takeover,
                agreed.server_max_window_bits,
                agreed.client_max_window_bits,
            )
        })
    }
}

impl Provider for Recorder {
    fn propose(&self) -> Arc<dyn Proposal> {
        let deflate = self.deflate.as_ref().expect("without terms there is no extension");
        Arc::new(Recording { proposal: deflate.propose(), agreed: Arc::clone(&self.agreed) })
    }
}

#[derive(Debug)]
struct Recording {
    proposal: Arc<dyn Proposal>,
    agreed: Arc<Mutex<Option<Parameters>>>,
}

impl Proposal for Recording {
    fn config(&self) -> Config {
        self.proposal.config()
    }

    fn codec(&self, is_client: bool, agreed: Parameters) -> Codec {
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
        self.proposal.codec(is_client, agreed)
    }
}
