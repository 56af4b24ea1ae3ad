//! What is sent: bytes of every value, and text of every length of character.

/// `length` bytes that look random and are the same each time.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut dice = Dice::new(length as u64);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(dice.roll().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `length` bytes of text with characters of one to four bytes, each at changing offsets.
pub(crate) fn text(length: usize) -> String {
    const SAMPLE: &str = "a\u{7f}\u{80}é\u{7ff}\u{800}世\u{fffd}\u{ffff}\u{10000}𝄞\u{10ffff}\0\"\\\n";
    let mut text = String::with_capacity(length);
    for char in SAMPLE.chars().cycle() {
        if text.len() + char.len_utf8() > length {
            break;
        }
        text.push(char);
    }
    // What is left is too short for the next character.
    while text.len() < length {
        text.push('.');
    }
    text
}

/// `length` bytes of sentences, of a kind for each `seed`: words come again at all distances, in the same and in other
/// sentences.
pub(crate) fn prose(length: usize, seed: u64) -> String {
    const WORDS: [&str; 16] = [
        "window ",
        "größer ",
        "世界 ",
        "message ",
        "𝄞 ",
        "forty-two ",
        "née ",
        "\u{10ffff} ",
        "the ",
        "of ",
        "compression ",
        "Ωμέγα ",
        "again ",
        "and ",
        "שלום ",
        "sliding. ",
    ];
    let mut dice = Dice::new(seed);
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        match dice.byte() % 20 {
            // What has not been there yet.
            16..20 => text.push_str(&format!("{:x} ", dice.roll() >> 40)),
            word => text.push_str(WORDS[usize::from(word)]),
        }
    }
    cut(text, length)
}

/// `length` bytes of records as applications send them, of which much is alike.
pub(crate) fn json(length: usize, seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut text = String::with_capacity(length + 128);
    while text.len() < length {
        let (id, price) = (dice.roll() % 100_000, dice.roll() % 10_000);
        text.push_str(&format!(
            "{{\"event\":\"price\",\"id\":{id},\"name\":\"café № {}\",\"price\":{}.{:02},\"is_open\":{}}}\n",
            id % 50,
            price / 100,
            price % 100,
            id % 3 == 0
        ));
    }
    cut(text, length)
}

/// `length` bytes of a longer text; dots stand for what is left of a character.
fn cut(mut text: String, length: usize) -> String {
    let mut end = length;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.extend(std::iter::repeat_n('.', length - end));
    text
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_their_length() {
        for length in [0, 1, 2, 3, 7, 8, 9, 125, 126, 65_535, 65_536] {
            assert_eq!(bytes(length).len(), length);
            assert_eq!(text(length).len(), length);
            assert_eq!(prose(length, 1).len(), length);
            assert_eq!(json(length, 1).len(), length);
        }
    }

    #[test]
    fn payloads_are_varied() {
        let bytes = bytes(65_536);
        assert!((0..=255).all(|byte| bytes.contains(&byte)));
        let lengths: Vec<usize> = text(1000).chars().map(char::len_utf8).collect();
        assert!((1..=4).all(|length| lengths.contains(&length)));
    }
}
