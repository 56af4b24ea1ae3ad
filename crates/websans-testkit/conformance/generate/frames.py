"""Masking, lengths and limits, floods, text."""

from words import *


def masking():
    m = Family("masking")
    wrong = {"server": "none", "client": "12345678"}
    rule = {"server": "RFC 6455 §5.1, RFC 6455 §5.3", "client": "RFC 6455 §5.1"}
    for role in ("server", "client"):
        what = "an unmasked" if role == "server" else "a masked"
        for id, frames in [
            ("text", [frame("text", "abc", mask=wrong[role])]), ("binary", [frame("binary", b"\1\2", mask=wrong[role])]), ("empty", [frame("text", mask=wrong[role])]),
            ("ping", [frame("ping", "p", mask=wrong[role])]), ("empty-ping", [frame("ping", mask=wrong[role])]), ("pong", [frame("pong", mask=wrong[role])]),
            ("close", [close(1000, mask=wrong[role])]), ("empty-close", [close(mask=wrong[role])]), ("length-126", [frame("binary", 200, mask=wrong[role])]),
            ("length-127", [frame("binary", 65536, mask=wrong[role])]), ("continuation", [part("text", "a"), frame("continuation", "b", mask=wrong[role])]),
        ]:
            m.add(f"wrong-{id}", f"{what} frame fails the connection: {id}", rule[role], role, [opened(), send(*frames), fails(1002)], told={"opened": True, "code": 1006})
        m.add("wrong-after-right", f"{what} frame fails the connection, also behind a good message", rule[role], role,
              [opened(), *echoes("good"), send(frame("text", "bad", mask=wrong[role])), fails(1002)])
        m.add("wrong-then-right", "behind a frame that fails the connection nothing is looked at", "RFC 6455 §7.1.7", role,
              [opened(), send(frame("text", "bad", mask=wrong[role]), frame("text", "good")), fails(1002)], told={"opened": True, "code": 1006})
    m.add("wrong-zero-key", "a mask of zeros is a mask all the same", "RFC 6455 §5.1", "client", [opened(), send(frame("text", "abc", mask="00000000")), fails(1002)])
    for id, key in [("zero", "00000000"), ("ones", "ffffffff"), ("one-byte", "000000ff"), ("ascii", "61626364")]:
        m.add(f"key-{id}", "any masking key will do", "RFC 6455 §5.3", "server", [opened(), send(frame("text", "abcdefg", mask=key)), expect(message("abcdefg"))])
    m.add("key-repeated", "a server need not mind a key that comes again", "RFC 6455 §5.3", "server",
          [opened(), send(frame("text", "one", mask="01020304"), frame("text", "two", mask="01020304")), expect(message("one"), message("two"))])
    m.add("key-by-fragment", "every fragment has a key of its own", "RFC 6455 §5.3", "server",
          [opened(), send(part("text", "abcde", mask="01020304"), part("continuation", "fghij", mask="a0b0c0d0"), frame("continuation", "k", mask="00000000")), expect(message("abcdefghijk"))])
    for length in (1, 2, 3, 4, 5, 7, 8, 9, 31, 125, 126, 1000, 65535, 65536):
        m.add(f"length-{length}", "unmasking is right whatever the length", "RFC 6455 §5.3", "server", [opened(), send(frame("text", length, mask="d3a9c7f1")), expect(message(length))])
        m.add(f"length-{length}", "what a client sends is masked, and right, whatever the length", "RFC 6455 §5.3, RFC 6455 §5.1", "client", [opened(), send(frame("text", length)), expect(message(length))])
    m.add("control-frames-masked", "a client masks control frames, empty ones too", "RFC 6455 §5.1", "client",
          [opened(), send(frame("ping")), expect({"frame": {"op": "pong"}}), send(frame("ping", "p")), expect({"frame": {"op": "pong", "text": "p"}}), send(close(1000)), expect(closed(1000))])
    m.add("control-frames-unmasked", "a server masks no control frame", "RFC 6455 §5.1", "server",
          [opened(), send(frame("ping")), expect({"frame": {"op": "pong"}}), send(frame("ping", "p")), expect({"frame": {"op": "pong", "text": "p"}}), send(close(1000)), expect(closed(1000))])


def limits():
    l = Family("limits")
    for id, data in [("two-bytes-for-0", frame("text", form="two")), ("two-bytes-for-125", frame("text", 125, form="two")), ("eight-bytes-for-125", frame("text", 125, form="eight")),
                     ("eight-bytes-for-65535", frame("binary", 65535, form="eight")), ("eight-bytes-for-ping", frame("ping", "p", form="eight"))]:
        l.both(f"length-{id}", "a length is written in the fewest bytes; receivers may be lenient", "RFC 6455 §5.2",
               [opened(), send(data), either([closed(1002), END], [END], *([[pong("p")]] if "ping" in id else [[message({"two-bytes-for-0": 0, "two-bytes-for-125": 125, "eight-bytes-for-125": 125}.get(id, 0))] if "65535" not in id else [{"message": {"fill": 65535, "binary": True}}]]))])
    for role, mask in (("server", "80"), ("client", "00")):
        bit = 0x80 if role == "server" else 0
        l.add("length-most-significant-bit", "the most significant bit of a length of 64 bits is zero", "RFC 6455 §5.2", role,
              [opened(), send(hexed(f"82 {0x7f | bit:02x} 80 00 00 00 00 00 00 00" + (" 00 00 00 00" if bit else ""))), either([closed(1002), END], [closed(1009), END], [END])])
        l.add("length-largest", "the largest length of all is too long, and needs no memory", "RFC 6455 §5.2, RFC 6455 §10.4", role,
              [opened(), send(hexed(f"82 {0x7f | bit:02x} 7f ff ff ff ff ff ff ff" + (" 00 00 00 00" if bit else ""))), fails(1009, lenient=(1002,))])
        l.add("length-2-to-32", "a length beyond 32 bits is too long", "RFC 6455 §10.4", role,
              [opened(), send(hexed(f"82 {0x7f | bit:02x} 00 00 00 01 00 00 00 01" + (" 00 00 00 00" if bit else ""))), fails(1009)])
    p = "limits"
    l.both("message-at-limit", "a message as long as the limit is received", "RFC 6455 §10.4", [opened(), send(frame("text", 4096)), expect(message(4096))], p)
    l.both("message-beyond", "a message beyond the limit fails the connection with 1009", "RFC 6455 §7.4.1, RFC 6455 §10.4", [opened(), send(frame("text", 4097)), fails(1009)], p)
    l.both("header-beyond", "a header that announces too much is enough", "RFC 6455 §10.4", [opened(), send(frame("binary", length=4097)), fails(1009)], p)
    l.both("fragments-at-limit", "fragments as long as the limit, together, are received", "RFC 6455 §10.4", [opened(), send(part("text", 4000), frame("continuation", 96)), expect(message(4096))], p)
    l.both("fragments-beyond", "fragments beyond the limit, together, fail the connection with 1009", "RFC 6455 §10.4", [opened(), send(part("text", 4000), frame("continuation", 97)), fails(1009)], p)
    l.both("fragments-beyond-before-the-last", "that the message has not ended does not matter", "RFC 6455 §10.4", [opened(), send(part("text", 4000), part("continuation", 97)), fails(1009)], p)
    l.both("fragment-header-beyond", "a fragment's header that announces too much is enough", "RFC 6455 §10.4", [opened(), send(part("binary", 4000), frame("continuation", length=97)), fails(1009)], p)
    l.both("limit-by-message", "the limit is for each message anew", "RFC 6455 §10.4", [opened(), send(frame("text", 4096), part("text", 4095), frame("continuation", 1), frame("text", 4096)), expect(message(4096), message(4096), message(4096))], p)
    l.both("control-frames-do-not-count", "control frames within a message are no part of it", "RFC 6455 §5.4, RFC 6455 §10.4", [opened(), send(part("text", 4000), frame("ping", 125), frame("continuation", 96)), either([pong("x" * 125), message(4096)], [closed(1009), END], [pong("x" * 125), closed(1009), END])], p)
    f = "fragments"
    l.both("sixteen-fragments", "a message of as many fragments as the limit is received", "RFC 6455 §10.4", [opened(), send(part("text", "a"), repeat(14, part("continuation", "b")), frame("continuation", "c")), expect(message("a" + "b" * 14 + "c"))], f)
    l.both("seventeen-fragments", "a message of more fragments fails the connection", "RFC 6455 §10.4", [opened(), send(part("text", "a"), repeat(15, part("continuation", "b")), frame("continuation", "c")), fails(1008, lenient=(1009, 1002))], f)
    l.both("fragments-without-end", "that the message has not ended does not matter", "RFC 6455 §10.4", [opened(), send(part("text", "a"), repeat(100, part("continuation", "b"))), fails(1008, lenient=(1009, 1002))], f)
    l.both("fragments-by-message", "the limit is for each message anew", "RFC 6455 §10.4", [opened(), repeat_messages(3), expect(message("abbbbbbbbbc"), message("abbbbbbbbbc"), message("abbbbbbbbbc"))], f)
    l.both("four-empty-fragments", "a few empty fragments are received", "RFC 6455 §5.4", [opened(), send(part("text"), repeat(3, part("continuation")), frame("continuation", "a")), expect(message("a"))], f)
    l.both("five-empty-fragments", "a run of empty fragments fails the connection", "RFC 6455 §10.4", [opened(), send(part("text"), repeat(5, part("continuation")), frame("continuation", "a")), either([closed(1008), END], [closed(1009, 1002), END], [END], [message("a")])], f)
    l.both("empty-fragments-apart", "only a run counts", "RFC 6455 §5.4", [opened(), send(part("text"), repeat(3, part("continuation"), part("continuation", "a")), frame("continuation")), expect(message("aaa"))], f)
    l.both("empty-last-fragment", "an empty last fragment ends a message", "RFC 6455 §5.4", [opened(), send(part("text", "a"), frame("continuation")), expect(message("a"))])
    l.both("empty-message-in-fragments", "two empty fragments are an empty message", "RFC 6455 §5.4", [opened(), send(part("text"), frame("continuation")), expect(message(""))])
    l.both("control-125", "a control frame has up to 125 bytes", "RFC 6455 §5.5", [opened(), send(frame("ping", 125)), expect(pong("x" * 125))])
    for op in ("ping", "pong", "close"):
        l.both(f"{op}-126", "a control frame beyond 125 bytes fails the connection", "RFC 6455 §5.5", [opened(), send(frame(op, 126)), fails(1002)])
        l.both(f"{op}-in-fragments", "a control frame is never fragmented", "RFC 6455 §5.5", [opened(), send(part(op)), fails(1002)])
    l.both("reason-123", "a Close has up to 123 bytes of reason", "RFC 6455 §5.5.1", [opened(), send(close(1000, "x" * 123)), expect(closed(1000))], told={"opened": True, "code": 1000})


def repeat_messages(times):
    return send(repeat(times, part("text", "a"), repeat(9, part("continuation", "b")), frame("continuation", "c")))


def floods():
    f = Family("floods")
    rule = "RFC 6455 §5.5.2, RFC 6455 §5.5.3"
    # Nobody has to put up with a flood.
    kept = either([pong("last"), message("alive")], [message("alive"), pong("last")], [ANYTHING])
    f.both("pings-unread", "thousands of Pings whose Pongs nobody reads meanwhile leave the connection well", rule,
           [opened(), send(repeat(5000, frame("ping", "p"))), send(frame("ping", "last"), frame("text", "alive")), kept])
    f.both("long-pings-unread", "so do long ones", rule, [opened(), send(repeat(1000, frame("ping", 125))), send(frame("ping", "last"), frame("text", "alive")), kept])
    f.both("pings-in-a-message", "so do Pings between two fragments", "RFC 6455 §5.4, RFC 6455 §5.5.2", [opened(), send(part("text", "al"), repeat(2000, frame("ping", "p")), frame("ping", "last"), frame("continuation", "ive")), kept])
    f.both("pings-one-by-one", "every Ping that has time to be answered is", "RFC 6455 §5.5.2",
           [opened(), *[step for n in range(10) for step in (send(frame("ping", f"{n}")), expect({"frame": {"op": "pong", "text": f"{n}"}}))]])
    f.both("newest-pong", "of Pings that come at once the last is answered for certain", "RFC 6455 §5.5.3", [opened(), send(frame("ping", "1"), frame("ping", "2"), frame("ping", "3")), expect(pong("3")), *echoes()])
    f.both("pongs", "Pongs that nobody asked for mean nothing, however many", "RFC 6455 §5.5.3", [opened(), send(repeat(5000, frame("pong", "p"))), *echoes()])
    f.both("empty-messages", "empty messages are messages, however many", "RFC 6455 §5.6", [opened(), send(repeat(100, frame("text"))), expect(*[message("")] * 100), *echoes()])
    f.both("single-bytes", "a message of a thousand fragments of one byte is received", "RFC 6455 §5.4", [opened(), send(part("text", "x"), repeat(998, part("continuation", "x")), frame("continuation", "x")), expect(message(1000))])
    f.both("fragments-and-pongs", "a Pong between any two fragments changes nothing", "RFC 6455 §5.4", [opened(), send(part("text", "x"), repeat(500, frame("pong"), part("continuation", "x")), frame("continuation", "x")), expect(message(502))])
    f.both("pings-behind-a-close", "Pings behind a Close are not answered", "RFC 6455 §5.5.2",
           lambda role: [opened(), send(close(1000), repeat(100, frame("ping", "p"))), expect(closed(1000)), *(["half_close"] if role == "client" else []), expect(END)], told={"opened": True, "code": 1000})
    f.both("messages-behind-a-close", "nothing behind a Close is looked at, however much", "RFC 6455 §1.4, RFC 6455 §5.5.1",
           lambda role: [opened(), send(close(1000), repeat(100, frame("text", 500))), expect(closed(1000)), *(["half_close"] if role == "client" else []), expect(END)], told={"opened": True, "code": 1000})
    f.both("nonsense-behind-a-fault", "nothing behind a fault is looked at, however much", "RFC 6455 §7.1.7", [opened(), send(hexed("ff ff"), repeat(200, hexed("ff 00 ff 00"))), fails(1002)])
    f.both("byte-by-byte", "a message that comes byte by byte is received", "RFC 6455 §5.2", [opened(), drip(1, frame("text", 200)), expect(message(200))])


def texts():
    u = Family("utf8")
    rule = "RFC 6455 §8.1, RFC 6455 §5.6"
    for name, char in [("two", "\u00e4"), ("three", "\u20ac"), ("four", "\U0001f600")]:
        data = char.encode()
        for at in range(1, len(data)):
            u.both(f"{name}-bytes-cut-at-{at}", "a character may be cut by fragments", rule, [opened(), send(part("text", b"a" + data[:at]), frame("continuation", data[at:] + b"z")), expect(message(f"a{char}z"))])
        u.both(f"{name}-bytes-one-by-one", "a character may come in fragments of one byte", rule,
               [opened(), send(part("text"), *[part("continuation", data[n:n + 1]) for n in range(len(data))], frame("continuation")), expect(message(char))])
        u.both(f"{name}-bytes-cut-with-pings", "a Ping within a character is answered and changes nothing", rule + ", RFC 6455 §5.4",
               [opened(), send(part("text", data[:1]), frame("ping", "p"), frame("continuation", data[1:])), expect(pong("p"), message(char))])
        u.both(f"{name}-bytes-cut-by-writes", "a character may be cut by the transport", rule, [opened(), drip(1, frame("text", char)), expect(message(char))])
        u.both(f"{name}-bytes-not-ended", "a message may not end within a character", rule, [opened(), send(frame("text", b"a" + data[:-1])), fails(1007)], told={"opened": True, "code": 1006})
        u.both(f"{name}-bytes-not-ended-in-fragments", "a message may not end within a character", rule, [opened(), send(part("text", data[:1]), frame("continuation")), fails(1007)], told={"opened": True, "code": 1006})
        u.both(f"{name}-bytes-not-continued", "a character that is cut must go on in the next fragment", rule, [opened(), send(part("text", data[:-1]), frame("continuation", "a")), fails(1007)], told={"opened": True, "code": 1006})
    for id, data in [("overlong-slash", b"\xc0\xaf"), ("overlong-nul", b"\xe0\x80\x80"), ("overlong-four", b"\xf0\x80\x80\x80"), ("surrogate-high", b"\xed\xa0\x80"), ("surrogate-low", b"\xed\xbf\xbf"),
                     ("surrogate-pair", b"\xed\xa0\xbd\xed\xb8\x80"), ("beyond-10ffff", b"\xf4\x90\x80\x80"), ("five-bytes", b"\xf8\x88\x80\x80\x80"), ("lone-continuation", b"\x80"), ("ff", b"\xff")]:
        u.both(f"{id}", "what is not UTF-8 fails the connection", rule, [opened(), send(frame("text", b"a" + data + b"z")), fails(1007)], told={"opened": True, "code": 1006})
        if len(data) > 1:
            u.both(f"{id}-cut", "what is not UTF-8 fails the connection, however it is cut", rule, [opened(), send(part("text", b"a" + data[:1]), frame("continuation", data[1:] + b"z")), fails(1007)], told={"opened": True, "code": 1006})
    u.both("early", "what cannot become UTF-8 any more may fail the connection before the message ends", rule, [opened(), send(part("text", b"a\xff")), either([closed(1007), END], [END], [silence(300)])])
    for id, char in [("nul", "\0"), ("bom", "\ufeffa"), ("noncharacter", "\uffff\U0010ffff"), ("last-of-two", "\u07ff"), ("first-of-three", "\u0800"), ("before-surrogates", "\ud7ff"), ("behind-surrogates", "\ue000"), ("first-of-four", "\U00010000")]:
        u.both(f"good-{id}", "text at the borders of what is allowed is received", rule, [opened(), send(frame("text", char.encode())), expect(message(char))])
    u.both("binary-is-not-text", "a binary message is any bytes", "RFC 6455 §5.6", [opened(), send(frame("binary", b"\xff\xc0\x80")), expect(message(b"\xff\xc0\x80"))])
    u.both("pong-is-not-text", "the payload of a Ping is any bytes", "RFC 6455 §5.5.2", [opened(), send(frame("ping", b"\xff\xc0\x80")), expect({"frame": {"op": "pong", "hex": "ffc080"}})])
