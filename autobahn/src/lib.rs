//! What the echo peers of the Autobahn suite share: their limits and their command lines.

use std::collections::HashMap;

use lexopt::ValueExt as _;

use websans::Config;

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
