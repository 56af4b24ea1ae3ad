//! How a [`Dial`] goes from one stage to the next.

use super::*;

impl Dial {
    /// Finds the way to the URL.
    pub(super) fn start(&mut self, now: Timestamp) {
        (self.proxy, self.target, self.address) = (None, None, None);
        match self.client.proxies.for_url(&self.url) {
            Ok(proxy) => self.proxy = proxy.cloned(),
            Err(error) => return self.set_failure(Step::Proxy, Cause::ProxyUrl(error)),
        }
        #[cfg(not(feature = "rustls"))]
        if self.url.is_secure() {
            return self.set_failure(Step::Tls, Cause::NoTls);
        }
        let is_name = self.url.host().parse::<IpAddr>().is_err();
        match self.proxy.as_ref().map(Proxy::kind) {
            None => self.find_peer(now),
            Some(Kind::Socks5) if is_name => {
                self.enter(Stage::ResolveTarget, self.client.limits.resolve, now)
            }
            Some(_) => self.enter(Stage::Queue, self.client.limits.connect, now),
        }
    }

    /// The turn to wait for before a proxy is connected to: that of the host behind it.
    pub(super) fn queue(&self) -> Option<Taking> {
        let (host, port) = (self.url.host(), self.url.port());
        let place = match self.target.or_else(|| host.parse().ok()) {
            Some(address) => Place::Address(SocketAddr::new(address, port)),
            None => Place::Host(host.to_owned(), port),
        };
        self.client.turns.as_ref().map(|turns| turns.take(place))
    }

    /// Whom to connect to: the proxy, or the server.
    pub(super) fn peer(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (self.url.host(), self.url.port()),
        }
    }

    /// Looks up whom to connect to, unless that is an address.
    pub(super) fn find_peer(&mut self, now: Timestamp) {
        let known = self.client.addresses_of(&self.url).filter(|_| self.proxy.is_none());
        if let Some(addresses) = known {
            if addresses.is_empty() {
                return self.set_failure(Step::Resolve, Cause::NoAddress);
            }
            self.stage = Stage::Race(Race::new(addresses.iter().copied(), &self.client.limits, now));
            return;
        }
        let (host, port) = self.peer();
        match host.parse::<IpAddr>() {
            Ok(address) => {
                let addresses = [SocketAddr::new(address, port)];
                self.stage = Stage::Race(Race::new(addresses, &self.client.limits, now));
            }
            Err(_) => self.enter(Stage::Resolve, self.client.limits.resolve, now),
        }
    }

    /// The connection reaches as far as the server: TLS is next if the URL asks for it.
    pub(super) fn begin_security(&mut self, now: Timestamp) {
        #[cfg(feature = "rustls")]
        if self.url.is_secure() {
            return self.enter(Stage::Tls, self.client.limits.tls, now);
        }
        self.begin_handshake(now);
    }

    pub(super) fn begin_handshake(&mut self, now: Timestamp) {
        let mut config = Config::clone(self.client.settings());
        config.handshake_within = config.handshake_within.min(self.end.since(now));
        // What fails now fails at the handshake.
        self.enter(Stage::Handshake { outgoing: Vec::new(), connector: None }, config.handshake_within, now);
        let nonce = match (self.nonces)() {
            Ok(nonce) => nonce,
            Err(error) => return self.fail(Cause::Io(error)),
        };
        let request = match self.client.request(&self.url, nonce, self.trusted) {
            Ok(request) => request,
            Err(error) => return self.fail(Cause::Build(error)),
        };
        let mut outgoing = Vec::new();
        request.write(&mut outgoing);
        let connector = Some(Box::new(Connector::new(request, &config, now)));
        self.stage = Stage::Handshake { outgoing, connector };
    }

    /// The server has answered.
    pub(super) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Open(negotiated) => self.agreed = Some(negotiated),
            Answer::Refused(refusal) => {
                let redirects = if self.owns { self.client.redirects } else { Redirects::default() };
                match redirects.target(&self.url, &refusal, self.followed) {
                    Ok(None) => self.fail(Cause::Refused(Box::new(refusal))),
                    Ok(Some(url)) => {
                        self.followed = self.followed.saturating_add(1);
                        self.trusted &= same_origin(self.client.url(), &url);
                        self.url = url;
                        self.stage = Stage::Redirected;
                    }
                    Err(error) => self.set_failure(Step::Redirect, Cause::Redirect(error)),
                }
            }
            _ => self.fail(Cause::Io(io::Error::other("an answer of a kind unknown to this crate"))),
        }
    }

    /// The connection as it is handed over, if it is open.
    pub(super) fn opened(&mut self) -> Option<Opened> {
        let negotiated = self.agreed.take()?;
        let connector = match mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Handshake { connector, .. } => connector,
            _ => None,
        };
        Some(Opened {
            negotiated,
            early: connector.map_or_else(Vec::new, |connector| connector.into_rest()),
            config: self.client.settings().clone(),
            url: self.url.clone(),
        })
    }

    /// No address could be connected to, or not in time.
    pub(super) fn lost(&mut self) {
        let Stage::Race(race) = mem::replace(&mut self.stage, Stage::Start) else {
            return;
        };
        let failures = race.into_failures();
        self.fail(if failures.is_empty() { Cause::Timeout } else { Cause::Addresses(failures) });
    }

    pub(super) fn enter(&mut self, stage: Stage, limit: Duration, now: Timestamp) {
        self.stage = stage;
        self.stage_end = now + limit;
    }

    /// The present stage has failed.
    pub(super) fn fail(&mut self, cause: Cause) {
        let step = match &self.stage {
            Stage::ResolveTarget | Stage::Resolve => Step::Resolve,
            Stage::Start | Stage::Queue | Stage::Race(_) => Step::Connect,
            Stage::Tunnel(_) => Step::Proxy,
            #[cfg(feature = "rustls")]
            Stage::Tls => Step::Tls,
            Stage::Handshake { .. } | Stage::Redirected | Stage::Ended => Step::Handshake,
        };
        self.set_failure(step, cause);
    }

    pub(super) fn set_failure(&mut self, step: Step, cause: Cause) {
        if self.failure.is_none() && !matches!(self.stage, Stage::Ended) {
            self.failure = Some(Box::new(self.error(step, cause)));
        }
    }

    pub(super) fn error(&self, step: Step, cause: Cause) -> ConnectError {
        let host = match step {
            Step::Resolve if matches!(self.stage, Stage::ResolveTarget) => self.url.host(),
            Step::Resolve | Step::Connect | Step::Proxy => self.peer().0,
            _ => self.url.host(),
        };
        let address = match step {
            Step::Resolve | Step::Connect => None,
            _ => self.address,
        };
        let own = matches!((step, &self.stage), (Step::Resolve, Stage::ResolveTarget));
        ConnectError::new(step, host.to_owned(), address, cause).proxied(self.proxy.is_some() && !own)
    }
}
