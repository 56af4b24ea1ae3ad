//! Connections on which nobody has anything to say.

use core::time::Duration;

use super::app::App;
use super::proxy::{Kind, Proxy};
use super::recipe::Recipe;
use super::socket::{End, Socket};
use super::stage::Stage;
use crate::failure::{Result, fail};

/// The proxy cuts what is silent for longer than its time-out; keep-alive makes silence shorter.
pub(crate) fn check(stage: &Stage<'_>, kind: Kind) -> Result {
    let silent = App::start(stage, &["--keep-alive", "0"])?;
    let alive = App::start(stage, &["--keep-alive", "0.8"])?;
    let cutting = Proxy::start(stage, kind, impatient(kind.recipe(stage, silent.address)?, kind)?)?;
    let holding = Proxy::start(stage, kind, impatient(kind.recipe(stage, alive.address)?, kind)?)?;

    let mut cut = Socket::open(cutting.plain, "/ws", "")?;
    cut.echo()?;
    let mut held = Socket::open(holding.plain, "/ws", "")?;
    held.echo()?;

    match cut.silence(Duration::from_secs(6))? {
        Some(End::Cut) => {}
        other => fail!("{other:?} instead of a cut without keep-alive"),
    }
    if cut.pings != 0 {
        fail!("{} Pings without keep-alive", cut.pings);
    }
    let ending = silent.ending(Duration::from_secs(6))?;
    // Nginx ends the connection in good order, HAProxy with a reset.
    if !ending.contains("1006") && !ending.starts_with("the transport failed") {
        fail!("the app takes the cut for {ending:?}");
    }

    if let Some(end) = held.silence(Duration::from_secs(5))? {
        fail!("{end:?} with keep-alive, after {} Pings", held.pings);
    }
    if held.pings < 3 {
        fail!("{} Pings in five seconds and more", held.pings);
    }
    held.echo()?;
    held.close()
}

/// With two seconds where the recipe has 90.
fn impatient(recipe: Recipe, kind: Kind) -> Result<Recipe> {
    match kind {
        Kind::Nginx => recipe
            .replace("proxy_read_timeout 90s;", "proxy_read_timeout 2s;")?
            .replace("proxy_send_timeout 90s;", "proxy_send_timeout 2s;"),
        Kind::HaProxy => recipe.replace("timeout tunnel 90s", "timeout tunnel 2s"),
    }
}
