//! What the echo peers of the Autobahn suite share: their limits, their compression, their command lines, their
//! certificate.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use lexopt::ValueExt as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use websans_deflate::{Deflate, Settings};
use websans_std::{Config, Tls};

/// The file with the certificate for `localhost`, which signs itself, in the directory that `--certificates` names.
pub const CERTIFICATE: &str = "localhost.pem";

/// The file with its key.
pub const KEY: &str = "localhost.key";

/// Room for the suite's largest message, 16 MiB, several times over.
const LIMIT: usize = 64 << 20;

/// The configuration of every peer: large limits, no keep-alive that would mix with the suite's own Pings.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::default();
    config.max_message = LIMIT as u64;
    config.max_outbox = LIMIT;
    config.keepalive = None;
    config
}

/// The compression of every peer: it agrees to whatever the suite asks for, and compresses even what is not worth it, so
/// that every case that is about compression meets it.
#[must_use]
pub fn deflate() -> Deflate {
    let mut settings = Settings::default();
    settings.negotiation.server_no_context_takeover = false;
    settings.negotiation.client_no_context_takeover = false;
    settings.threshold = 0;
    Deflate::new(settings)
}

/// The values of a command line's `--name value` pairs, which must be among `names`.
///
/// # Errors
/// A sentence about what is wrong.
pub fn arguments(names: &[&str]) -> Result<HashMap<String, String>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut values = HashMap::new();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long(name) if names.contains(&name) => {
                let name = name.to_owned();
                let value = parser.value()?.string()?;
                values.insert(name, value);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(values)
}

/// What a client needs to know the server that has the certificate in `directory`, and no other.
///
/// # Errors
/// If there is none.
pub fn trust(directory: &str) -> Result<Tls, Box<dyn Error>> {
    Ok(Tls::roots_from_pem(std::fs::read(Path::new(directory).join(CERTIFICATE))?)?)
}

/// What a server needs to show the certificate in `directory`.
///
/// # Errors
/// If there is none.
pub fn identity(directory: &str) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let certificate = CertificateDer::from_pem_file(Path::new(directory).join(CERTIFICATE))?;
    let key = PrivateKeyDer::from_pem_file(Path::new(directory).join(KEY))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Arc::new(config))
}
