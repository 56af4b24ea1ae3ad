//! What a peer saw of a connection.

use serde_json::Value;
use websans_std::Kind;

/// The report of a peer on one connection, as `../peers` writes it.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Value);

impl Report {
    /// Fails unless `key` has this value. What the peer cannot observe, and so is null, is taken as right
    /// where `may_be_null`.
    pub(crate) fn expect(&self, key: &str, value: impl Into<Value>, may_be_null: bool) -> Result<(), String> {
        let (value, found) = (value.into(), &self.0[key]);
        if *found == value || may_be_null && found.is_null() {
            return Ok(());
        }
        Err(format!("the peer reports {key} {found}, not {value}; all it reports: {}", self.summary()))
    }

    /// All of it, but for long lists of messages.
    pub(crate) fn summary(&self) -> String {
        let mut shown = self.0.clone();
        if let Some(messages) = shown["messages"].as_array().filter(|messages| messages.len() > 10) {
            shown["messages"] = format!("{} of them", messages.len()).into();
        }
        shown.to_string()
    }

    /// Fails unless the peer received exactly these messages.
    pub(crate) fn expect_messages(&self, messages: &[(Kind, &[u8])]) -> Result<(), String> {
        let none = Vec::new();
        let found = self.0["messages"].as_array().unwrap_or(&none);
        for (number, (kind, bytes)) in messages.iter().enumerate() {
            let (expected, found) = (message(*kind, bytes), found.get(number).unwrap_or(&Value::Null));
            if expected != *found {
                let all = self.summary();
                return Err(format!(
                    "the peer's message {number} is {found}, not {expected}; all it reports: {all}"
                ));
            }
        }
        let (count, expected) = (found.len(), messages.len());
        if count == expected {
            Ok(())
        } else {
            Err(format!("the peer reports {count} messages, not {expected}"))
        }
    }

    /// Fails unless the peer got a Close with this content, or none (1006).
    pub(crate) fn expect_close(&self, code: u16, reason: &str) -> Result<(), String> {
        self.expect("close", serde_json::json!({ "code": code, "reason": reason }), false)
    }

    /// Fails unless the connection failed for the peer before it was open; returns what it says of that.
    pub(crate) fn expect_failed(&self) -> Result<&str, String> {
        self.expect("opened", false, false)?;
        self.0["error"].as_str().ok_or_else(|| format!("the peer reports no error: {}", self.0))
    }
}

fn message(kind: Kind, bytes: &[u8]) -> Value {
    let kind = match kind {
        Kind::Text => "text",
        Kind::Binary => "binary",
    };
    let digest = sha1_smol::Sha1::from(bytes).hexdigest();
    serde_json::json!({ "kind": kind, "length": bytes.len(), "sha1": digest })
}
