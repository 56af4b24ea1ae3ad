//! A WebSocket echo at `/ws` and a page to try it from: the sample app of websans.

mod connections;
mod options;
mod serve;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;

use connections::Connections;
use options::Options;
use serve::App;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(&options.listen)
        .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let connections = Arc::new(Connections::default());
    let deflate = options.deflate();
    let app = Arc::new(App::new(options.config(), options.origins(), deflate, Arc::clone(&connections)));

    let grace = std::time::Duration::from_secs(1);
    ctrlc::set_handler(move || {
        // Nothing is printed here: whoever should read it may be gone, or not read.
        connections.close_all(grace);
        std::process::exit(0);
    })?;

    let address = listener.local_addr()?;
    println!("a page at http://{address}/ and an echo at ws://{address}/ws; Ctrl-C ends it");
    app.serve(&listener);
    Ok(())
}
