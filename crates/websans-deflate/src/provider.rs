//! [`Deflate`]: settings, pools and budget, and the negotiation of one connection.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use websans::deflate::{Codec, Config, Extension, Parameters, Proposal, Provider};
use zlib_rs::{Deflate as Compress, DeflateConfig, Inflate};

use crate::budget::{Budget, Reservation};
use crate::compressor::Compressor;
use crate::decompressor::{Decompressor, RECEIVE_MEMORY};
use crate::pool::Pool;
use crate::settings::Settings;

/// permessage-deflate for any number of connections, servers and clients alike, which share its pools and its budget:
/// make one and clone it.
#[derive(Clone)]
pub struct Deflate {
    shared: Arc<Shared>,
}

/// What connections share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    budget: Arc<Budget>,
    inflates: Pool<Inflate>,
    /// For windows of 9 to 15 bits.
    compresses: [Pool<Compress>; 7],
}

impl Deflate {
    /// With these settings. Nothing is allocated before it is used.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let budget = Arc::new(Budget::new(settings.context_budget));
        let shared = Shared { settings, budget, inflates: Pool::default(), compresses: Default::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Bytes of [`Settings::context_budget`] that no connection has reserved.
    #[must_use]
    pub fn budget_left(&self) -> usize {
        self.shared.budget.left()
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl fmt::Debug for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflate")
            .field("settings", self.settings())
            .field("budget_left", &self.budget_left())
            .finish_non_exhaustive()
    }
}

impl From<&Deflate> for Extension {
    fn from(deflate: &Deflate) -> Self {
        deflate.clone().into()
    }
}

impl From<Deflate> for Option<Extension> {
    fn from(deflate: Deflate) -> Self {
        Some(deflate.into())
    }
}

impl From<&Deflate> for Option<Extension> {
    fn from(deflate: &Deflate) -> Self {
        Some(deflate.into())
    }
}

impl Provider for Deflate {
    fn propose(&self) -> Arc<dyn Proposal> {
        let settings = self.settings();
        let mut config = settings.negotiation();
        // Which end this is shows later; either may have the larger window.
        let bits = config.server_max_window_bits.max(config.client_max_window_bits);
        let (send, receive) = (settings.send_memory(bits), RECEIVE_MEMORY);
        let most = match (config.server_no_context_takeover, config.client_no_context_takeover) {
            (false, false) => send + receive,
            (true, true) => 0,
            _ => send.max(receive),
        };
        let reservation = self.shared.budget.reserve(most);
        if reservation.is_none() {
            config.server_no_context_takeover = true;
            config.client_no_context_takeover = true;
        }
        let reservation = Mutex::new(reservation);
        Arc::new(Negotiation { shared: Arc::clone(&self.shared), config, reservation })
    }
}

/// The negotiation of one connection, with what its contexts may take reserved.
struct Negotiation {
    shared: Arc<Shared>,
    config: Config,
    /// Handed on to the codec.
    reservation: Mutex<Option<Reservation>>,
}

impl fmt::Debug for Negotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiation")
            .field("config", &self.config)
            .field("reservation", &self.reservation)
            .finish_non_exhaustive()
    }
}

impl Proposal for Negotiation {
    fn config(&self) -> Config {
        self.config
    }

    fn codec(&self, is_client: bool, agreed: Parameters) -> Codec {
        let shared = &self.shared;
        let mut reservation = self.reservation.lock().unwrap_or_else(PoisonError::into_inner).take();
        let server = (!agreed.server_no_context_takeover, agreed.server_max_window_bits);
        let client = (!agreed.client_no_context_takeover, agreed.client_max_window_bits);
        let ((sends_on, send_bits), (receives_on, _)) =
            if is_client { (client, server) } else { (server, client) };
        let send = if sends_on { shared.settings.send_memory(send_bits) } else { 0 };
        let receive = if receives_on { RECEIVE_MEMORY } else { 0 };
        if let Some(reservation) = &mut reservation {
            reservation.shrink(send + receive);
        }
        // The two halves may end at different times.
        let reservation = reservation.filter(|reservation| reservation.bytes() > 0).map(Arc::new);
        let encode = Compressor::new(Arc::clone(shared), send_bits, sends_on, reservation.clone());
        let decode = Decompressor::new(Arc::clone(shared), receives_on, reservation);
        let mut codec = Codec::new(Box::new(encode), Box::new(decode));
        codec.memory = send + receive;
        codec
    }
}

impl Shared {
    /// A compressor for one whole message.
    pub(crate) fn take_compress(&self, bits: u8) -> Box<Compress> {
        if let Some(mut context) = self.compress_pool(bits).and_then(Pool::take) {
            context.reset();
            return context;
        }
        self.new_compress(bits)
    }

    /// A compressor that nobody has used.
    pub(crate) fn new_compress(&self, bits: u8) -> Box<Compress> {
        let mut config = DeflateConfig::new(i32::from(self.settings.level()));
        config.window_bits = -i32::from(bits); // negative: without zlib's header
        config.mem_level = i32::from(self.settings.memory_level());
        Box::new(Compress::new_with_config(config))
    }

    pub(crate) fn put_compress(&self, bits: u8, context: Box<Compress>) {
        if let Some(pool) = self.compress_pool(bits) {
            pool.put(context, self.settings.pool);
        }
    }

    fn compress_pool(&self, bits: u8) -> Option<&Pool<Compress>> {
        self.compresses.get(usize::from(bits.checked_sub(9)?))
    }

    /// A decompressor that has inflated nothing yet.
    pub(crate) fn take_inflate(&self) -> Box<Inflate> {
        if let Some(mut context) = self.inflates.take() {
            context.reset(false);
            return context;
        }
        // Whatever was agreed on: it takes 32 KiB for any window.
        Box::new(Inflate::new(false, 15))
    }

    pub(crate) fn put_inflate(&self, context: Box<Inflate>) {
        self.inflates.put(context, self.settings.pool);
    }
}
