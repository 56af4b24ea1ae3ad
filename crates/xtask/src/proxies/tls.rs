//! TLS and HTTP/2, which end at the proxy.

use core::time::Duration;

use super::app::App;
use super::proxy::{Kind, Proxy};
use super::stage::Stage;
use crate::child;
use crate::failure::Result;

const LIMIT: Duration = Duration::from_secs(30);

/// The page by HTTP/2, WebSockets by HTTP/1.1 and, where the proxy can, by HTTP/2.
pub(crate) fn check(stage: &Stage<'_>, kind: Kind) -> Result {
    let app = App::start(stage, &[])?;
    let proxy = Proxy::start(stage, kind, kind.recipe(stage, app.address)?)?;
    let port = proxy.tls.port().to_string();
    let edge = |arguments: &[&str]| {
        let mut command = stage.edge();
        command.arg(arguments[0]).arg(stage.directory()).arg(&port).args(&arguments[1..]);
        child::run_within(LIMIT, "edge", &mut command)
    };
    edge(&["page"])?;
    edge(&["upgrade"])?;
    match kind {
        Kind::Nginx => edge(&["connect", "--not-offered"]),
        Kind::HaProxy => edge(&["connect"]),
    }
}
