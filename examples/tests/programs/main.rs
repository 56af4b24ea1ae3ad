//! The programs as processes: each is started, spoken to over a socket, and ended.

mod axum_chat;
mod chat;
mod compressed_chat;
mod echo;
mod moved;
mod reconnect;
mod smol_client;
mod support;
mod tunnel;

/// Short enough to be read in one go.
#[test]
fn every_program_is_under_120_lines() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for folder in [sources.to_owned(), format!("{sources}/bin")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines < 120, "{} has {lines} lines", path.display());
            }
        }
    }
}
