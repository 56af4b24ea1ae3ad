//! The Basic scheme of HTTP (RFC 7617), for servers and for proxies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The credentials of a user as RFC 7617 has them. `None` if they hold what it does not allow.
pub(crate) fn basic(user: &str, password: &str) -> Option<String> {
    let valid = !user.contains(':') && !user.chars().chain(password.chars()).any(char::is_control);
    valid.then(|| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}
