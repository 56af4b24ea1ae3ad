//! [`Options`]: the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use websans_deflate::{Deflate, Settings};
use websans_tower::deflate::Extension;
use websans_tower::{BuildError, Config, Forwarded, Keepalive, Origin, OriginPolicy};

/// URLs in a doc comment would have to be links.
const ALLOW_ORIGIN: &str = "Allow pages of this origin only, such as https://example.com or https://*.example.com \
                            (repeatable); \"any\" allows all. Without it, only this server's own page. Clients that \
                            are no browsers send no origin and always pass";

/// What `LISTEN_FDS` is to `--listen`.
const AFTER_HELP: &str = "If the environment says that sockets were handed over (LISTEN_FDS, as by systemd), they are \
                          listened on, and --listen is not looked at.\n\nTwo texts are orders to the echo: ServerClose \
                          has it close the connection, ServerAbort drop it without a close.";

/// A WebSocket echo server with a page to try it from: the page is at /, the echo at /ws.
///
/// It speaks HTTP/1.1 and HTTP/2; in clear text, clients of the latter must know beforehand.
#[derive(clap::Parser, Debug)]
#[command(name = "websans-echo", version, after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Address and port to listen on; port 0 takes a free one. Sockets of LISTEN_FDS take precedence
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000")]
    pub(crate) listen: String,

    /// Speak TLS (https and wss) with the certificates and the private key in these PEM files
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    tls: Option<Vec<PathBuf>>,

    /// Ping a client from which nothing has come for this many seconds; 0 turns keep-alive off
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = seconds)]
    keep_alive: Duration,

    /// Close the connection when nothing comes for this many seconds after such a Ping
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = seconds)]
    keep_alive_timeout: Duration,

    /// Whose pages may connect; without one, only this server's own page.
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = allowed, help = ALLOW_ORIGIN)]
    allow_origin: Vec<Allowed>,

    /// Believe the headers of this kind that a proxy in front of this server sets: to which address, and whether by TLS,
    /// the client connected
    #[arg(long, value_name = "KIND", value_enum)]
    trust_proxy: Option<ProxyHeaders>,

    /// Refuse messages of more than this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_message)]
    max_message: u64,

    /// Compress messages with clients that offer it (permessage-deflate)
    #[arg(long, alias = "deflate")]
    compression: bool,

    /// With --compression: compress each message with those before it in mind; messages become shorter, and connections
    /// take more memory
    #[arg(long, alias = "deflate-takeover", requires = "compression")]
    compression_takeover: bool,

    /// Echo in a background task that outlives the handlers of requests
    #[arg(long)]
    pub(crate) background: bool,
}

/// What a proxy says of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ProxyHeaders {
    /// X-Forwarded-Host, X-Forwarded-Proto
    XForwarded,
    /// Forwarded (RFC 7239)
    Forwarded,
}

/// One `--allow-origin`.
#[derive(Clone, Debug)]
enum Allowed {
    Any,
    Origin(Origin),
}

impl Options {
    /// How WebSockets are opened and kept.
    pub(crate) fn websocket(&self) -> websans_tower::Options {
        let keepalive = Keepalive { every: self.keep_alive, within: self.keep_alive_timeout };
        websans_tower::Options::new()
            .path("/ws")
            .keep_alive(Some(keepalive).filter(|keepalive| !keepalive.every.is_zero()))
            .allowed_origins(self.origins())
            .max_message(self.max_message)
            .deflate(self.deflate().map(Extension::from))
            .trust_forwarded(self.forwarded())
            // Without it nobody knows: a proxy may have taken it off.
            .secure(self.tls.as_ref().map(|_| true))
    }

    /// The certificates and the key.
    pub(crate) fn tls(&self) -> Option<(&Path, &Path)> {
        match self.tls.as_deref() {
            Some([certificates, key]) => Some((certificates, key)),
            _ => None,
        }
    }

    fn deflate(&self) -> Option<Deflate> {
        let mut settings = Settings::default();
        settings.negotiation.server_no_context_takeover = !self.compression_takeover;
        settings.negotiation.client_no_context_takeover = !self.compression_takeover;
        self.compression.then(|| Deflate::new(settings))
    }

    fn origins(&self) -> OriginPolicy {
        let mut origins = Vec::new();
        for allowed in &self.allow_origin {
            match allowed {
                Allowed::Any => return OriginPolicy::Any,
                Allowed::Origin(origin) => origins.push(origin.clone()),
            }
        }
        if origins.is_empty() { OriginPolicy::SameHost } else { OriginPolicy::List(origins) }
    }

    fn forwarded(&self) -> Forwarded {
        match self.trust_proxy {
            None => Forwarded::Nothing,
            Some(ProxyHeaders::XForwarded) => Forwarded::XForwarded,
            Some(ProxyHeaders::Forwarded) => Forwarded::Rfc7239,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn allowed(text: &str) -> Result<Allowed, BuildError> {
    if text == "any" { Ok(Allowed::Any) } else { Origin::parse(text).map(Allowed::Origin) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::{Forwarded, Options};

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["websans-echo"], arguments].concat())
    }

    #[test]
    fn compression_is_off_unless_asked_for() {
        assert!(parse(&[]).unwrap().deflate().is_none());
        for (arguments, forgets) in [
            (&["--compression"][..], true),
            (&["--compression", "--compression-takeover"], false),
            // As they were called before.
            (&["--deflate"], true),
            (&["--deflate", "--deflate-takeover"], false),
        ] {
            let deflate = parse(arguments).unwrap().deflate().expect("compression was asked for");
            let config = deflate.settings().negotiation;
            assert_eq!(config.server_no_context_takeover, forgets);
            assert_eq!(config.client_no_context_takeover, forgets);
        }
        // Takeover of what?
        assert!(parse(&["--compression-takeover"]).is_err());
    }

    #[test]
    fn no_proxy_is_trusted_unless_asked_for() {
        let forwarded = |arguments: &[&str]| parse(arguments).unwrap().forwarded();
        assert!(matches!(forwarded(&[]), Forwarded::Nothing));
        assert!(matches!(forwarded(&["--trust-proxy", "x-forwarded"]), Forwarded::XForwarded));
        assert!(matches!(forwarded(&["--trust-proxy", "forwarded"]), Forwarded::Rfc7239));
        assert!(parse(&["--trust-proxy", "any"]).is_err());
    }

    #[test]
    fn tls_takes_two_files() {
        let options = parse(&["--tls", "chain.pem", "key.pem"]).unwrap();
        assert_eq!(options.tls(), Some((Path::new("chain.pem"), Path::new("key.pem"))));
        assert_eq!(parse(&[]).unwrap().tls(), None);
        assert!(parse(&["--tls", "chain.pem"]).is_err());
    }
}
