//! [`elements`] and [`Terms`]: `Sec-WebSocket-Extensions` read word by word, without a line of the core.

use websans::deflate::Parameters;

/// An extension with its parameters, as they stand in the header.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::fuzz) struct Element {
    pub(in crate::fuzz) name: String,
    parameters: Vec<(String, Option<String>)>,
}

/// What the header is made of (RFC 6455 §9.1, RFC 2616 §2.2).
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Token(String),
    Quoted(String),
    Sign(u8),
}

/// The words of a line, with the space between them left out. `None`: it has something else in it.
fn words(line: &[u8]) -> Option<Vec<Word>> {
    let is_token = |byte: u8| (0x21..0x7F).contains(&byte) && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    let mut words = Vec::new();
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' | b'\t' => at += 1,
            sign @ (b',' | b';' | b'=') => {
                words.push(Word::Sign(sign));
                at += 1;
            }
            b'"' => {
                let mut value = String::new();
                at += 1;
                loop {
                    match *line.get(at)? {
                        b'"' => break,
                        b'\\' => {
                            at += 1;
                            value.push(char::from(*line.get(at)?));
                        }
                        byte => value.push(char::from(byte)),
                    }
                    at += 1;
                }
                at += 1;
                // "the value after quoted-string unescaping MUST conform to the 'token' ABNF".
                let is_value = |char| u8::try_from(char).is_ok_and(is_token);
                words.push(Word::Quoted(
                    Some(value).filter(|value| !value.is_empty() && value.chars().all(is_value))?,
                ));
            }
            _ => {
                let len = line[at..].iter().take_while(|&&byte| is_token(byte)).count();
                if len == 0 {
                    return None;
                }
                words.push(Word::Token(line[at..at + len].iter().copied().map(char::from).collect()));
                at += len;
            }
        }
    }
    Some(words)
}

/// The elements of the header with these lines. `None`: it breaks the grammar.
pub(in crate::fuzz) fn elements(lines: &[&[u8]]) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    for line in lines {
        for element in words(line)?.split(|word| *word == Word::Sign(b',')) {
            let mut parts = element.split(|word| *word == Word::Sign(b';'));
            let name = match parts.next()? {
                [] if element.is_empty() => continue,
                [Word::Token(name)] => name.clone(),
                _ => return None,
            };
            let mut parameters = Vec::new();
            for part in parts {
                parameters.push(match part {
                    [Word::Token(name)] => (name.clone(), None),
                    [Word::Token(name), Word::Sign(b'='), Word::Token(value) | Word::Quoted(value)] => {
                        (name.clone(), Some(value.clone()))
                    }
                    _ => return None,
                });
            }
            elements.push(Element { name, parameters });
        }
    }
    Some(elements)
}

/// The parameters of permessage-deflate.
#[derive(Debug, Default)]
pub(in crate::fuzz) struct Terms {
    pub(in crate::fuzz) server_no_context_takeover: bool,
    pub(in crate::fuzz) client_no_context_takeover: bool,
    pub(in crate::fuzz) server_max_window_bits: Option<u8>,
    /// The value may be missing.
    pub(in crate::fuzz) client_max_window_bits: Option<Option<u8>>,
}

impl Terms {
    /// `None`: one is unknown, comes twice or has a value that it cannot have (RFC 7692 §7.1).
    pub(in crate::fuzz) fn of(element: &Element) -> Option<Self> {
        let mut terms = Self::default();
        for (n, (name, value)) in element.parameters.iter().enumerate() {
            if element.parameters[..n].iter().any(|(other, _)| other == name) {
                return None;
            }
            // "a decimal integer value without leading zeroes between 8 to 15, inclusive".
            let window = value.as_ref().map(|value| (8..=15).find(|bits: &u8| bits.to_string() == *value));
            match (&name[..], window) {
                ("server_no_context_takeover", None) => terms.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => terms.client_no_context_takeover = true,
                ("server_max_window_bits", Some(Some(bits))) => terms.server_max_window_bits = Some(bits),
                ("client_max_window_bits", None) => terms.client_max_window_bits = Some(None),
                ("client_max_window_bits", Some(Some(bits))) => {
                    terms.client_max_window_bits = Some(Some(bits))
                }
                _ => return None,
            }
        }
        Some(terms)
    }

    /// The largest window that the server may have.
    pub(in crate::fuzz) fn server_window(&self) -> u8 {
        self.server_max_window_bits.unwrap_or(15)
    }

    /// What they mean in a response.
    pub(in crate::fuzz) fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::default();
        parameters.server_no_context_takeover = self.server_no_context_takeover;
        parameters.client_no_context_takeover = self.client_no_context_takeover;
        parameters.server_max_window_bits = self.server_window();
        parameters.client_max_window_bits = self.client_max_window_bits.flatten().unwrap_or(15);
        parameters
    }
}
