//! Two apps on one port, by path.

use super::app::App;
use super::proxy::{Kind, Proxy};
use super::recipe::Recipe;
use super::socket::Socket;
use super::stage::Stage;
use crate::failure::{Result, fail};

/// Each prefix is an app's own, for messages up to different sizes.
pub(crate) fn check(stage: &Stage<'_>) -> Result {
    let large = App::start(stage, &[])?;
    let small = App::start(stage, &["--max-message", "1000"])?;
    let recipe = Recipe::read(stage.workspace, "several-apps.nginx.conf")?
        .replace("127.0.0.1:5001", large.address.to_string())?
        .replace("127.0.0.1:5002", small.address.to_string())?;
    let proxy = Proxy::start(stage, Kind::Nginx, recipe)?;

    let origin = format!("Origin: http://{}\r\n", proxy.plain);
    let mut first = Socket::open(proxy.plain, "/a/ws", &origin)?;
    let mut second = Socket::open(proxy.plain, "/b/ws", &origin)?;
    first.echo()?;
    match second.echo() {
        Err(failure) if failure.to_string().contains("1009") => {}
        Err(failure) => fail!("the second app: {failure}"),
        Ok(()) => fail!("/b/ws is not the app with small messages"),
    }
    first.echo()?;
    first.close()?;
    for path in ["/a/b/ws", "/c/ws"] {
        let status = Socket::status(proxy.plain, path, &origin)?;
        if status != 404 {
            fail!("{status} instead of 404 for {path}");
        }
    }
    Ok(())
}
