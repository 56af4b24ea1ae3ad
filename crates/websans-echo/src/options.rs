//! [`Options`]: the command line.

use std::time::Duration;

use websans_deflate::{Deflate, Settings};
use websans_std::handshake::{BuildError, Origin, OriginPolicy};
use websans_std::{Config, Keepalive};

/// URLs in a doc comment would have to be links.
const ALLOW_ORIGIN: &str = "Allow pages of this origin only, such as https://example.com or https://*.example.com \
                            (repeatable); \"any\" allows all. Without it, only this server's own page. Clients that \
                            are no browsers send no origin and always pass";

/// A WebSocket echo server with a page to try it from: the page is at /, the echo at /ws.
#[derive(clap::Parser, Debug)]
#[command(name = "websans-echo", version)]
pub(crate) struct Options {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000")]
    pub(crate) listen: String,

    /// Ping a client from which nothing has come for this many seconds; 0 turns keep-alive off
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = seconds)]
    keep_alive: Duration,

    /// Close the connection when nothing comes for this many seconds after such a Ping
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = seconds)]
    keep_alive_timeout: Duration,

    /// Whose pages may connect; without one, only this server's own page.
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = allowed, help = ALLOW_ORIGIN)]
    allow_origin: Vec<Allowed>,

    /// Refuse messages of more than this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_message)]
    max_message: u64,

    /// Compress messages with clients that offer it (permessage-deflate)
    #[arg(long)]
    deflate: bool,

    /// With --deflate: compress each message with those before it in mind; messages become shorter, and connections take
    /// more memory
    #[arg(long, requires = "deflate")]
    deflate_takeover: bool,
}

/// One `--allow-origin`.
#[derive(Clone, Debug)]
enum Allowed {
    Any,
    Origin(Origin),
}

impl Options {
    /// The limits and time-outs of every connection.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.max_message = self.max_message;
        config.keepalive = Some(Keepalive { every: self.keep_alive, within: self.keep_alive_timeout })
            .filter(|keepalive| !keepalive.every.is_zero());
        config
    }

    /// How messages are compressed, if they are.
    pub(crate) fn deflate(&self) -> Option<Deflate> {
        let mut settings = Settings::default();
        settings.negotiation.server_no_context_takeover = !self.deflate_takeover;
        settings.negotiation.client_no_context_takeover = !self.deflate_takeover;
        self.deflate.then(|| Deflate::new(settings))
    }

    /// Whose pages may connect.
    pub(crate) fn origins(&self) -> OriginPolicy {
        let mut origins = Vec::new();
        for allowed in &self.allow_origin {
            match allowed {
                Allowed::Any => return OriginPolicy::Any,
                Allowed::Origin(origin) => origins.push(origin.clone()),
            }
        }
        if origins.is_empty() { OriginPolicy::SameHost } else { OriginPolicy::List(origins) }
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
    use clap::Parser as _;

    use super::Options;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["websans-echo"], arguments].concat())
    }

    #[test]
    fn compression_is_off_unless_asked_for() {
        assert!(parse(&[]).unwrap().deflate().is_none());
        for (arguments, forgets) in
            [(&["--deflate"][..], true), (&["--deflate", "--deflate-takeover"], false)]
        {
            let deflate = parse(arguments).unwrap().deflate().expect("compression was asked for");
            let config = deflate.settings().negotiation;
            assert_eq!(config.server_no_context_takeover, forgets);
            assert_eq!(config.client_no_context_takeover, forgets);
        }
        // Takeover of what?
        assert!(parse(&["--deflate-takeover"]).is_err());
    }
}
