"""Compression."""

import zlib

from words import *


OFFER = "Sec-WebSocket-Extensions: permessage-deflate"


def deflated(data, window=15, history=b"", final=False):
    made = zlib.compressobj(9, zlib.DEFLATED, -window)
    if history:
        made.compress(history)
        made.flush(zlib.Z_SYNC_FLUSH)
    out = made.compress(data) + made.flush(zlib.Z_SYNC_FLUSH)
    assert out.endswith(b"\0\0\xff\xff")
    return out[:-4]


def deflate():
    d = Family("deflate")
    agreed = {"Sec-WebSocket-Extensions": {"has": "permessage-deflate"}}

    def offer(id, shows, rfc, value, ours, *others, profile="deflate", strict=True):
        line = [f"Sec-WebSocket-Extensions: {one}" for one in (value if isinstance(value, list) else [value])]
        respond = lambda ext: [response(101, Sec_WebSocket_Extensions=ext)]
        d.add(f"offer-{id}", shows, rfc, "server", [send(request(more=line)), either(respond(ours), *[respond(other) for other in others], *([] if strict else [[response(*REFUSALS)]])) if others or not strict else expect(*respond(ours))], profile)

    has = lambda part: {"has": part}
    lacks = lambda part: {"lacks": part}
    takes, declines = "an offer that can be met is met", "an offer that is not valid is declined"
    offer("plain", takes, "RFC 7692 §5.1", "permessage-deflate", "permessage-deflate", has("permessage-deflate"))
    offer("not-supported", "compression is not agreed on by who has none", "RFC 7692 §5", "permessage-deflate", None, has("permessage-deflate"), profile="plain")
    offer("server-forgets", "a server that agrees to forget says so", "RFC 7692 §7.1.1.1", "permessage-deflate; server_no_context_takeover", has("server_no_context_takeover"))
    offer("client-forgets", "a client may say that it forgets", "RFC 7692 §7.1.1.2", "permessage-deflate; client_no_context_takeover", has("permessage-deflate"))
    offer("both-forget", takes, "RFC 7692 §7.1.1", "permessage-deflate; client_no_context_takeover; server_no_context_takeover", has("server_no_context_takeover"))
    offer("forgetful", "a server that wants to forget says so", "RFC 7692 §7.1.1.1", "permessage-deflate", has("server_no_context_takeover"), has("permessage-deflate"), profile="deflate-forgetful")
    for bits in (9, 10, 12, 15):
        offer(f"server-window-{bits}", "a server that agrees to a window says so, and to no larger one", "RFC 7692 §7.1.2.1", f"permessage-deflate; server_max_window_bits={bits}", has(f"server_max_window_bits={bits}"), None, *([has("permessage-deflate")] if bits == 15 else []))
        offer(f"client-window-{bits}", "a window that the client names is no obstacle", "RFC 7692 §7.1.2.2", f"permessage-deflate; client_max_window_bits={bits}", has("permessage-deflate"))
    offer("server-window-8", "a window of 256 bytes is met, or declined by whoever cannot keep to it", "RFC 7692 §7.1.2.1", "permessage-deflate; server_max_window_bits=8", None, has("server_max_window_bits=8"))
    offer("server-window-quoted", "a value may be a quoted string", "RFC 6455 §9.1, RFC 7692 §5.2", "permessage-deflate; server_max_window_bits=\"10\"", has("server_max_window_bits=10"), None)
    offer("client-window", "a client may say that it can be told a window", "RFC 7692 §7.1.2.2", "permessage-deflate; client_max_window_bits", has("permessage-deflate"))
    offer("client-window-unasked", "a client that has not said so is told no window", "RFC 7692 §7.1.2.2", "permessage-deflate", lacks("client_max_window_bits"))
    offer("as-browsers-do", takes, "RFC 7692 §7.1.2.2", "permessage-deflate; client_max_window_bits", has("permessage-deflate"))
    for id, value in [("server-window-7", "server_max_window_bits=7"), ("server-window-16", "server_max_window_bits=16"), ("server-window-0", "server_max_window_bits=0"), ("server-window-999", "server_max_window_bits=999"),
                      ("server-window-leading-zero", "server_max_window_bits=010"), ("server-window-word", "server_max_window_bits=ten"), ("server-window-sign", "server_max_window_bits=+10"), ("server-window-without-value", "server_max_window_bits"),
                      ("client-window-7", "client_max_window_bits=7"), ("client-window-16", "client_max_window_bits=16"), ("client-window-word", "client_max_window_bits=x"), ("client-window-leading-zero", "client_max_window_bits=09"),
                      ("server-forgets-value", "server_no_context_takeover=1"), ("client-forgets-value", "client_no_context_takeover=true"), ("unknown", "unknown"), ("unknown-value", "mem_level=9"),
                      ("repeated", "server_no_context_takeover; server_no_context_takeover"), ("window-repeated", "server_max_window_bits=10; server_max_window_bits=10"), ("windows-differ", "client_max_window_bits=9; client_max_window_bits=12")]:
        d.add(f"offer-{id}", declines, "RFC 7692 §7", "server",
              [send(request(more=[f"{OFFER}; {value}"])), either([response(101, Sec_WebSocket_Extensions=None)], [response(*REFUSALS)])], "deflate")
    offer("second", "where the first offer cannot be met the next is looked at", "RFC 7692 §5.1", "permessage-deflate; unknown, permessage-deflate; server_no_context_takeover", has("server_no_context_takeover"), strict=False)
    offer("second-line", "offers may come in two lines", "RFC 6455 §11.3.2", ["permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover"], has("server_no_context_takeover"), strict=False)
    offer("behind-another-extension", "an extension that is not known is no obstacle", "RFC 6455 §9.1", "x-unknown, permessage-deflate", has("permessage-deflate"))
    offer("twice", "one of two offers is met", "RFC 7692 §5.1", "permessage-deflate, permessage-deflate", lacks(","))
    offer("longer-name", "names of extensions are compared whole", "RFC 6455 §9.1", "permessage-deflates", None)

    # What the server answers, role client
    def agreement(id, shows, rfc, value, good, profile="deflate", lenient=False):
        line = f"Sec-WebSocket-Extensions: {value}"
        steps = [{"request": {"headers": agreed}}, send(answer(more=[line]))]
        if good:
            steps += echoes()
        elif lenient:
            steps += [send(frame("text", "alive")), either([END], [message("alive")], [closed(1010, 1002), END])]
        else:
            steps += [either([END], [closed(1010, 1002), END])]
        d.add(f"answer-{id}", shows, rfc, "client", steps, profile, None if good else {"opened": False})

    for id, value in [("plain", "permessage-deflate"), ("server-forgets", "permessage-deflate; server_no_context_takeover"), ("client-forgets", "permessage-deflate; client_no_context_takeover"), ("server-window", "permessage-deflate; server_max_window_bits=10"), ("quoted", "permessage-deflate; server_max_window_bits=\"12\"")]:
        agreement(id, "what a server may answer without being asked for it opens the connection", "RFC 7692 §7.1.1.2, RFC 7692 §7.1.2.1", value, True)
    for id, value in [("unknown", "unknown"), ("server-window-16", "server_max_window_bits=16"), ("server-window-7", "server_max_window_bits=7"), ("server-window-without-value", "server_max_window_bits"), ("client-window-without-value", "client_max_window_bits"),
                      ("client-window-16", "client_max_window_bits=16"), ("server-forgets-value", "server_no_context_takeover=1"), ("repeated", "server_no_context_takeover; server_no_context_takeover"), ("window-repeated", "server_max_window_bits=10; server_max_window_bits=10")]:
        agreement(id, "an answer that is not valid fails the connection", "RFC 7692 §7, RFC 6455 §4.1", f"permessage-deflate; {value}", False)
    agreement("twice", "one extension is agreed on once", "RFC 7692 §5, RFC 6455 §9.1", "permessage-deflate, permessage-deflate", False)
    agreement("another-extension", "an extension that was not offered fails the connection", "RFC 6455 §4.1", "permessage-deflate, x-unknown", False)
    agreement("longer-name", "names of extensions are compared whole", "RFC 6455 §4.1", "permessage-deflates", False)
    d.add("answer-two-lines", "the header comes once in an answer", "RFC 6455 §11.3.2", "client",
          [{"request": {"headers": agreed}}, send(answer(more=[OFFER, OFFER])), either([END], [closed(1010, 1002), END])], "deflate", {"opened": False})
    d.add("answer-unsolicited", "compression that was not offered fails the connection", "RFC 7692 §5, RFC 6455 §4.1", "client", [{"request": {"headers": {"Sec-WebSocket-Extensions": None}}}, send(answer(more=[OFFER])), expect(END)], None, {"opened": False})
    d.add("answer-none", "a server need not agree to compression", "RFC 7692 §5", "client", [{"request": {"headers": agreed}}, send(answer()), send(frame("text", 500)), expect(message(500, False))], "deflate")

    # Streams
    def on(*lines):
        return opened(OFFER + "".join(f"; {line}" for line in lines), **({"Sec_WebSocket_Extensions": {"has": "permessage-deflate"}}))

    def stream(id, shows, rfc, data, outcome, lines=(), profile="deflate", told=None):
        d.both(id, shows, rfc, [on(*lines), send(*data), outcome], profile, told)

    hello, again = bytes.fromhex("f248cdc9c90700"), bytes.fromhex("f200110000")
    z = lambda data, **more: frame("text", data, rsv=4, **more)
    bad = fails(1007, lenient=(1002, 1003, 1008, 1009, 1011))
    stream("hello", "the example of RFC 7692 §7.2.3.1", "RFC 7692 §7.2.3.1", [z(hello)], expect(message("Hello")))
    stream("hello-in-fragments", "RSV1 marks the first fragment alone", "RFC 7692 §6.1, RFC 7692 §7.2.3.1", [part("text", hello[:3], rsv=4), frame("continuation", hello[3:])], expect(message("Hello")))
    stream("hello-byte-by-byte", "a compressed message may come in fragments of one byte", "RFC 7692 §6.2", [part("text", hello[:1], rsv=4), *[part("continuation", hello[n:n + 1]) for n in range(1, len(hello))], frame("continuation")], expect(message("Hello")))
    stream("hello-with-ping", "a Ping within a compressed message changes nothing", "RFC 7692 §6.1, RFC 6455 §5.4", [part("text", hello[:3], rsv=4), frame("ping", "p"), frame("continuation", hello[3:])], expect(pong("p"), message("Hello")))
    stream("takeover", "the window stays from message to message", "RFC 7692 §7.2.3.2", [z(hello), z(again)], expect(message("Hello"), message("Hello")))
    stream("takeover-over-plain", "a message that is not compressed does not touch the window", "RFC 7692 §7.2.2", [z(hello), frame("text", "plain"), z(again)], expect(message("Hello"), message("plain"), message("Hello")))
    stream("takeover-over-ping", "control frames do not touch the window", "RFC 7692 §6.1", [z(hello), frame("ping", "Jello"), z(again)], either([message("Hello"), pong("Jello"), message("Hello")], [pong("Jello"), message("Hello"), message("Hello")]))
    for role, line in (("server", "client_no_context_takeover"), ("client", "server_no_context_takeover")):
        d.add("no-takeover", "without takeover the window is empty for each message", "RFC 7692 §7.2.2, RFC 7692 §7.1.1", role, [
            opened(f"{OFFER}; {line}", **{"Sec_WebSocket_Extensions": {"has": line if role == "server" else "permessage-deflate"}}), send(z(hello)), expect(message("Hello")), send(z(again)),
            either([closed(1007), END], [closed(1002, 1003, 1009, 1011), END], [END], [message("Hello")])], "deflate-forgetful")
        d.add("no-takeover-anew", "without takeover each message stands for itself", "RFC 7692 §7.2.2", role, [opened(f"{OFFER}; {line}", **{"Sec_WebSocket_Extensions": {"has": "permessage-deflate"}}), send(z(hello), z(hello)), expect(message("Hello"), message("Hello"))], "deflate-forgetful")
    stream("stored", "a block may be stored", "RFC 7692 §7.2.3.3", [z(bytes.fromhex("000500faff48656c6c6f00"))], expect(message("Hello")))
    stream("final-block", "a final block may end a message", "RFC 7692 §7.2.3.4", [z(bytes.fromhex("f348cdc9c9070000"))], expect(message("Hello")))
    stream("final-block-then-another", "the message behind a final block is received", "RFC 7692 §7.2.3.4", [z(bytes.fromhex("f348cdc9c9070000")), z(hello)], expect(message("Hello"), message("Hello")))
    stream("two-blocks", "a message may have several blocks", "RFC 7692 §7.2.3.5", [z(bytes.fromhex("f248050000 00ffff cac9c90700".replace(" ", "")))], expect(message("Hello")))
    stream("empty", "an empty message is one byte", "RFC 7692 §7.2.3.6", [z(b"\0")], expect(message("")))
    stream("empty-payload", "a compressed message without a byte may stand for an empty one", "RFC 7692 §7.2.2", [z(b"")], either([message("")], [closed(1002, 1007), END], [END]))
    stream("plain", "a message need not be compressed", "RFC 7692 §6.1", [frame("text", "Hello")], expect(message("Hello")))
    stream("binary", "a binary message may be compressed", "RFC 7692 §6.1", [frame("binary", deflated(bytes(range(256)) * 4), rsv=4)], expect(message(bytes(range(256)) * 4)))
    stream("long", "a message that shrinks a thousandfold is received", "RFC 7692 §7.2.2", [z(deflated(b"x" * 50000))], expect(message(50000)))
    stream("many-blocks", "empty blocks between others mean nothing", "RFC 7692 §7.2.2", [z(b"\0\0\0\xff\xff" * 20 + hello)], either([message("Hello")], [closed(1007, 1009), END]))
    text_of = "the quick brown fox jumps over the lazy dog, "
    history = b"".join(f"{n} {text_of}".encode() for n in range(200))
    stream("far-match", "a match may reach far back into the message before", "RFC 7692 §7.2.2", [z(deflated(history)), z(deflated(history[:100], history=history))], expect(message(history.decode()), message(history[:100].decode())))
    d.both("echo-compressed", "what is worth it is compressed", "RFC 7692 §6.1", [on(), send(frame("text", 2000)), either([message(2000, True)], [message(2000)])], "deflate")
    d.both("echo-takeover", "what is sent compressed can be inflated, message by message", "RFC 7692 §7.2.1", [on(), *[step for n in range(5) for step in (send(frame("text", history[n * 500:n * 500 + 600])), expect(message(history[n * 500:n * 500 + 600].decode())))]], "deflate")
    d.add("echo-forgets", "a server that has agreed to forget does", "RFC 7692 §7.1.1.1", "server",
          [on("server_no_context_takeover"), *[step for _ in range(3) for step in (send(frame("text", history[:600])), expect(message(history[:600].decode())))]], "deflate")

    for id, data in [("continuation", [part("text", hello[:3], rsv=4), frame("continuation", hello[3:], rsv=4)]), ("continuation-of-plain", [part("text", "He"), frame("continuation", "llo", rsv=4)]), ("ping", [frame("ping", hello, rsv=4)]), ("pong", [frame("pong", rsv=4)]), ("close", [close(1000, rsv=4)]), ("empty-ping-in-message", [part("text", hello[:3], rsv=4), frame("ping", rsv=4)])]:
        stream(f"rsv1-{id}", "RSV1 is for the first frames of messages", "RFC 7692 §6.1", data, fails(1002), told={"opened": True, "code": 1006})
    for id, rsv in [("rsv2", 2), ("rsv3", 1), ("rsv1-and-2", 6), ("all", 7)]:
        stream(f"reserved-{id}", "compression gives no meaning to RSV2 and RSV3", "RFC 6455 §5.2", [frame("text", hello, rsv=rsv)], fails(1002))
    for op in ("text", "binary", "continuation", "ping", "pong", "close"):
        d.both(f"not-agreed-{op}", "without compression RSV1 fails the connection", "RFC 6455 §5.2, RFC 7692 §6", [opened(), send(*([part("text", "a")] if op == "continuation" else []), frame(op, hello if op != "close" else b"\3\xe8", rsv=4)), fails(1002)], told={"opened": True, "code": 1006})
    for id, payload in [("reserved-block", b"\x06"), ("stored-length", bytes.fromhex("000500faf048656c6c6f00")), ("truncated", deflated(b"Hello, Hello, Hello, " * 9)[:-4]), ("too-far", again), ("bad-distance", bytes.fromhex("4b04f20f")), ("random", bytes.fromhex("ffffffffffffffff"))]:
        # Those whose inflater cannot tell that more should have come deliver what has.
        outcome = bad if id != "truncated" else either([closed(1007), END], [END], [message(zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff").decode())])
        stream(f"broken-{id}", "what is not DEFLATE fails the connection", "RFC 7692 §7.2.2, RFC 1951 §3.2", [z(payload)], outcome, told={"opened": True, "code": 1006})
    stream("not-text", "a compressed text is UTF-8 all the same", "RFC 6455 §8.1, RFC 7692 §6.2", [z(deflated(b"a\xff\xffb"))], fails(1007), told={"opened": True, "code": 1006})
    stream("not-text-in-fragments", "however it is cut", "RFC 6455 §8.1, RFC 7692 §6.2", [part("text", deflated(b"a\xc0\xafb")[:2], rsv=4), frame("continuation", deflated(b"a\xc0\xafb")[2:])], fails(1007))
    p = "deflate-limits"
    stream("at-limit", "it is what a message inflates to that is limited: as long as the limit", "RFC 6455 §10.4", [z(deflated(b"x" * 4096))], expect(message(4096)), profile=p)
    stream("beyond-limit", "it is what a message inflates to that is limited: one byte more", "RFC 6455 §10.4, RFC 7692 §8", [z(deflated(b"x" * 4097))], fails(1009), profile=p)
    stream("bomb", "a bomb fails the connection", "RFC 6455 §10.4, RFC 7692 §8", [z(deflated(b"x" * 1000000))], fails(1009), profile=p)
    stream("bomb-in-fragments", "however it is cut", "RFC 6455 §10.4", [part("text", deflated(b"x" * 1000000)[:500], rsv=4), frame("continuation", deflated(b"x" * 1000000)[500:])], fails(1009), profile=p)
    stream("bomb-without-end", "before it ends", "RFC 6455 §10.4", [part("text", deflated(b"x" * 1000000)[:500], rsv=4)], either([closed(1009), END], [END], [silence(300)]), profile=p)
