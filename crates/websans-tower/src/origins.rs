//! [`AllowedOrigins`]: whose pages may connect.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use websans_tokio::handshake::{Endpoint, HandshakeError, Headers as _, Origin, OriginPolicy};

use crate::handshake::Lines;

/// Whose pages may connect: a policy of the core, or a function of your own.
///
/// ```
/// use websans_tower::{AllowedOrigins, Options, OriginPolicy};
///
/// // The default: the server's own pages.
/// let options = Options::new().allowed_origins(OriginPolicy::SameHost);
/// // A list; `*.` stands for one label or more.
/// let options = Options::new().allowed_origins(vec!["https://*.example.com".parse()?]);
/// // Every page of the web.
/// let options = Options::new().allowed_origins(OriginPolicy::Any);
/// // What a tenant has registered, say.
/// let options = Options::new().allowed_origins(AllowedOrigins::predicate(|origin, request| {
///     match origin {
///         Some(origin) => origin == b"https://tenant.example" && request.uri.path() == "/tenant",
///         None => true, // no browser
///     }
/// }));
/// # Ok::<(), websans_tower::BuildError>(())
/// ```
#[derive(Clone)]
pub struct AllowedOrigins(Rule);

#[derive(Clone)]
enum Rule {
    Policy(OriginPolicy),
    Predicate(Arc<Predicate>),
}

type Predicate = dyn Fn(Option<&[u8]>, &Parts) -> bool + Send + Sync;

impl AllowedOrigins {
    /// Asks `allows` for each handshake: with the value of `Origin`, as it was sent and not looked at any further, and the request.
    /// A request that has more than one is refused.
    pub fn predicate(allows: impl Fn(Option<&[u8]>, &Parts) -> bool + Send + Sync + 'static) -> Self {
        Self(Rule::Predicate(Arc::new(allows)))
    }

    /// Judges `request`, whose client believes to have connected to `endpoint`, if that can be known.
    pub(crate) fn check(
        &self,
        request: &Parts,
        endpoint: Option<Endpoint<'_>>,
    ) -> Result<(), HandshakeError> {
        let lines = Lines(&request.headers);
        let allowed = match &self.0 {
            Rule::Policy(policy) => {
                // A host that no page can have been served from.
                let endpoint = endpoint.unwrap_or(Endpoint { host: "", secure: None });
                return policy.check(lines.values("origin"), endpoint);
            }
            Rule::Predicate(allows) => {
                let mut origins = lines.values("origin");
                let origin = origins.next();
                origins.next().is_none() && allows(origin, request)
            }
        };
        if allowed { Ok(()) } else { Err(HandshakeError::OriginRefused) }
    }
}

impl Default for AllowedOrigins {
    /// The server's own pages.
    fn default() -> Self {
        OriginPolicy::default().into()
    }
}

impl From<OriginPolicy> for AllowedOrigins {
    fn from(policy: OriginPolicy) -> Self {
        Self(Rule::Policy(policy))
    }
}

impl From<Vec<Origin>> for AllowedOrigins {
    fn from(list: Vec<Origin>) -> Self {
        OriginPolicy::List(list).into()
    }
}

impl fmt::Debug for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Policy(policy) => policy.fmt(f),
            Rule::Predicate(_) => f.write_str("Predicate"),
        }
    }
}
