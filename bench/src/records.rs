//! What is sent: JSON as services send it, no two messages alike.

use std::fmt::Write as _;

/// So many different messages of exactly `length` bytes each, the same ones in every run.
pub(crate) fn messages(count: usize, length: usize) -> Vec<Vec<u8>> {
    let mut source = Source { state: 0x9e37_79b9_7f4a_7c15 };
    (0..count).map(|number| message(&mut source, number, length)).collect()
}

/// Records, as many as there is room for, and text that makes up the length.
fn message(source: &mut Source, number: usize, length: usize) -> Vec<u8> {
    const END: &str = "\"}";
    let mut json = format!("{{\"cursor\":{},\"orders\":[", 810_000 + 17 * number);
    let head = json.len();
    loop {
        let record = record(source);
        // The comma, and what surrounds the text.
        if json.len() + record.len() + 32 > length && json.len() > head {
            break;
        }
        if json.len() > head {
            json.push(',');
        }
        json += &record;
    }
    json += "],\"note\":\"";
    while json.len() + END.len() < length {
        let _ = write!(json, "{} ", source.pick(WORDS));
    }
    json.truncate(length - END.len());
    json += END;
    json.into_bytes()
}

/// An order, some 400 to 600 bytes.
fn record(source: &mut Source) -> String {
    let mut json = String::new();
    let (given, family) = (source.pick(GIVEN), source.pick(FAMILY));
    let _ = write!(
        json,
        "{{\"id\":\"{:016x}\",\"placed\":\"2026-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\"status\":\"{}\",\
         \"customer\":{{\"id\":{},\"name\":\"{given} {family}\",\"mail\":\"{}.{}{}@example.org\",\"city\":\"{}\"}},\"lines\":[",
        source.next(),
        1 + source.below(12),
        1 + source.below(28),
        source.below(24),
        source.below(60),
        source.below(60),
        source.below(1000),
        source.pick(STATUS),
        10_000 + source.below(900_000),
        given.to_lowercase(),
        family.to_lowercase(),
        source.below(1000),
        source.pick(CITY),
    );
    let mut total = 0;
    for line in 0..2 + source.below(3) {
        let (quantity, cents) = (1 + source.below(9), 99 + source.below(30_000));
        total += quantity * cents;
        let _ = write!(
            json,
            "{}{{\"sku\":\"{}-{:05}\",\"title\":\"{} {}\",\"quantity\":{quantity},\"price\":{}.{:02}}}",
            if line == 0 { "" } else { "," },
            source.pick(&["AX", "BK", "CT", "DZ", "KR", "MN"]),
            source.below(100_000),
            source.pick(WORDS),
            source.pick(WORDS),
            cents / 100,
            cents % 100,
        );
    }
    let _ = write!(
        json,
        "],\"total\":{}.{:02},\"position\":[{}.{:06},{}.{:06}],\"gift\":{}}}",
        total / 100,
        total % 100,
        source.below(180),
        source.below(1_000_000),
        source.below(90),
        source.below(1_000_000),
        source.below(4) == 0,
    );
    json
}

/// Pseudorandom numbers (xorshift64), which need not be good, only the same everywhere.
struct Source {
    state: u64,
}

impl Source {
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let index = usize::try_from(self.below(from.len() as u64)).expect("an index fits");
        from[index]
    }
}

const STATUS: &[&str] = &["open", "paid", "packed", "shipped", "delivered", "returned", "cancelled"];
const GIVEN: &[&str] = &[
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Femi", "Greta", "Hiro", "Ines", "Jonas", "Keiko", "Lars",
    "Mira", "Nadia", "Olu", "Priya", "Quentin", "Rosa", "Samir", "Tove", "Uma", "Viktor", "Wanda", "Yara",
    "Zoltan",
];
const FAMILY: &[&str] = &[
    "Abbott", "Bianchi", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen",
    "Kowalski", "Larsen", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Sato", "Tanaka", "Ueda",
    "Vogel", "Weber",
];
const CITY: &[&str] = &[
    "Aarhus", "Bergen", "Cork", "Dresden", "Essen", "Funchal", "Ghent", "Haarlem", "Izmir", "Jena", "Kyoto",
    "Lagos", "Malmo", "Nantes", "Oslo", "Porto", "Quito", "Riga", "Sofia", "Turin", "Uppsala", "Vienna",
    "Warsaw", "Zagreb",
];
const WORDS: &[&str] = &[
    "amber", "barrel", "candle", "copper", "drawer", "engine", "fabric", "garden", "hammer", "island",
    "jacket", "kettle", "ladder", "magnet", "needle", "orange", "paper", "quartz", "ribbon", "saddle",
    "tablet", "umbrella", "velvet", "window", "yellow", "zipper", "bottle", "carpet", "dish", "feather",
    "glove", "harbour", "ink", "lamp", "mirror", "pencil", "rubber", "silver", "thread", "timber", "wire",
    "wool", "basket", "brush", "chain", "clock",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn messages_are_text_of_the_length_and_all_different() {
        for length in [1024, 65536] {
            let messages = messages(64, length);
            assert!(messages.iter().all(|message| message.len() == length && message.is_ascii()));
            assert!(messages.iter().all(|message| message.starts_with(b"{\"") && message.ends_with(b"\"}")));
            assert_eq!(messages.iter().collect::<HashSet<_>>().len(), 64);
        }
    }
}
