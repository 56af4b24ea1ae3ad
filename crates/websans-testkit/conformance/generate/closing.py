"""Closing, the end of the transport, timers."""

from words import *


def closing():
    c = Family("close")
    tail = lambda role: ["half_close", expect(END)] if role == "client" else [expect(END)]
    rule = "RFC 6455 §5.5.1, RFC 6455 §7.4"
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        # "1010 [...] is not used by the server" (RFC 6455 §7.4.1).
        answers = lambda role: either(*[[closed(one)] for one in ((1000, code) if code == 1010 and role == "server" else (code, 1000))]) if code != 1000 else expect(closed(1000))
        c.both(f"code-{code}", "a Close is answered with its code", rule, lambda role: [opened(), send(close(code)), answers(role), *tail(role)], told={"opened": True, "code": code})
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        others = () if code in (1005, 1006, 1015) or code < 1000 else ([closed(code)],)
        c.both(f"code-{code}", "a code that must not be sent fails the connection; one that nobody has registered may", "RFC 6455 §7.4.1, RFC 6455 §7.4.2",
               lambda role: [opened(), send(close(code)), either([closed(1002)], [closed(1000, 1007, 1008, 1005)], [END], *others), *([] if role == "client" else [expect(END)])], told={"opened": True, "code": 1006})
    c.both("no-code", "a Close without a code is answered without one", rule, lambda role: [opened(), send(close()), either([closed(1005)], [closed(1000)]), *tail(role)], told={"opened": True, "code": 1005})
    c.both("reason", "a Close with a reason is answered", rule, lambda role: [opened(), send(close(1000, "goodbye \u00e4\u20ac\U0001f600")), expect(closed(1000)), *tail(role)], told={"opened": True, "code": 1000})
    c.both("one-byte", "a Close of one byte fails the connection", "RFC 6455 §5.5.1", [opened(), send(frame("close", b"\3")), fails(1002)], told={"opened": True, "code": 1006})
    for id, reason in [("broken", b"\xc3("), ("cut", b"ab\xe2\x82"), ("surrogate", b"\xed\xa0\x80"), ("overlong", b"\xc0\x80"), ("beyond", b"\xf4\x90\x80\x80")]:
        c.both(f"reason-{id}", "a reason that is not UTF-8 fails the connection", "RFC 6455 §5.5.1, RFC 6455 §8.1", [opened(), send(frame("close", b"\x03\xe8" + reason)), fails(1007, lenient=(1002,))], told={"opened": True, "code": 1006})
    c.both("twice", "two Closes get one answer", "RFC 6455 §5.5.1", lambda role: [opened(), send(close(1000), close(1001)), expect(closed(1000)), *tail(role)], told={"opened": True, "code": 1000})
    c.both("data-behind", "data behind a Close is not delivered", "RFC 6455 §5.5.1", lambda role: [opened(), send(close(1000), frame("text", "late")), expect(closed(1000)), *tail(role)], told={"opened": True, "code": 1000})
    c.both("ping-behind", "a Ping behind a Close is not answered", "RFC 6455 §5.5.2", lambda role: [opened(), send(close(1000), frame("ping", "late")), expect(closed(1000)), *tail(role)], told={"opened": True, "code": 1000})
    c.both("fault-behind", "a fault behind a Close is not looked at", "RFC 6455 §5.5.1", lambda role: [opened(), send(close(1000), hexed("ff ff ff")), expect(closed(1000)), *tail(role)], told={"opened": True, "code": 1000})
    c.both("within-a-message", "a Close between two fragments closes the connection; the message is not delivered", "RFC 6455 §5.4, RFC 6455 §5.5.1",
           lambda role: [opened(), send(part("text", "half"), close(1000)), either([closed(1000)], [closed(1002)]), *tail(role)], told={"opened": True, "code": 1000})
    c.both("within-a-message-then-the-rest", "the rest of the message behind the Close changes nothing", "RFC 6455 §5.5.1",
           lambda role: [opened(), send(part("text", "half"), close(1000), frame("continuation", "rest")), either([closed(1000)], [closed(1002)]), *tail(role)], told={"opened": True, "code": 1000})
    c.both("within-a-character", "a Close within a character is no fault of the text", "RFC 6455 §5.5.1, RFC 6455 §8.1",
           lambda role: [opened(), send(part("text", b"\xe2\x82"), close(1000)), either([closed(1000)], [closed(1002)]), *tail(role)], told={"opened": True, "code": 1000})
    c.both("answers-first", "what was answered before the Close leaves before its answer", "RFC 6455 §5.5.1",
           lambda role: [opened(), send(frame("text", "one"), frame("ping", "two"), close(1000)), either([message("one"), pong("two"), closed(1000)], [pong("two"), message("one"), closed(1000)], [pong("two"), closed(1000)], [message("one"), closed(1000)], [closed(1000)]), *tail(role)])
    c.both("ping-first", "a Ping before the Close is answered before it", "RFC 6455 §5.5.2", lambda role: [opened(), send(frame("ping", "p"), close(1000)), either([pong("p"), closed(1000)], [closed(1000)]), *tail(role)])
    c.add("server-ends-first", "behind the two Closes it is the server that ends the transport", "RFC 6455 §7.1.1", "server", [opened(), send(close(1000)), expect(closed(1000), ended(within=1000))])
    c.add("client-waits", "behind the two Closes the client waits for the server to end the transport", "RFC 6455 §7.1.1", "client",
          [opened(), send(close(1000)), either([closed(1000), silence(150)], [closed(1000)]), "half_close", expect(END)])
    # Those that begin with an order
    for code in (1000, 1001, 1008, 1011, 3000, 4999):
        c.both(f"ours-{code}", "the subject's own Close has the code that its application names", "RFC 6455 §7.4",
               lambda role: [opened(), send(order(f"close {code} bye")), expect({"frame": {"op": "close", "code": code, "reason": "bye"}}), send(close(code)), *tail(role)], told={"opened": True, "messages": 1, "code": code})
    c.both("both-at-once", "two Closes that cross are one each way", "RFC 6455 §7.1.3, RFC 6455 §5.5.1",
           lambda role: [opened(), send(order("close 1001 ours"), close(1000, "theirs")), either([closed(1001)], [closed(1000)]), *tail(role)], told={"opened": True, "messages": 1, "code": 1000})
    c.both("ours-answered-otherwise", "the answer to a Close may have another code", "RFC 6455 §5.5.1", lambda role: [opened(), send(order("close 1001 bye")), expect(closed(1001)), send(close(4000)), *tail(role)], told={"opened": True, "messages": 1, "code": 4000})
    c.both("ours-answered-without-code", "the answer to a Close may have no code", "RFC 6455 §5.5.1", lambda role: [opened(), send(order("close 1001 bye")), expect(closed(1001)), send(close()), *tail(role)], told={"opened": True, "messages": 1, "code": 1005})
    c.both("data-behind-ours", "data behind the subject's Close gets no answer: it may not send any more", "RFC 6455 §5.5.1",
           lambda role: [opened(), send(order("close 1000 bye")), expect(closed(1000)), send(frame("text", "late"), close(1000)), *tail(role)])
    c.both("nothing-sent-behind-ours", "what the application sends behind its Close does not leave", "RFC 6455 §5.5.1",
           lambda role: [opened(), send(order("close 1000 bye"), order("send late"), close(1000)), expect(closed(1000)), *tail(role)])
    c.both("fault-behind-ours", "a fault behind the subject's Close ends the transport without a second Close", "RFC 6455 §7.1.7, RFC 6455 §5.5.1",
           [opened(), send(order("close 1000 bye")), expect(closed(1000)), send(hexed("ff ff")), expect(END)], told={"opened": True, "messages": 1, "code": 1006})
    c.both("ours-then-eof", "the end of the transport instead of an answer ends the connection", "RFC 6455 §7.1.5",
           [opened(), send(order("close 1000 bye")), expect(closed(1000)), "half_close", expect(END)], told={"opened": True, "messages": 1, "code": 1006})
    c.both("ours-within-their-message", "the subject's Close does not wait for a message to end", "RFC 6455 §5.5.1",
           lambda role: [opened(), send(order("close 1000 bye")), expect(closed(1000)), send(part("text", "half")), send(close(1000)), *tail(role)], told={"opened": True, "messages": 1, "code": 1000})


def ends():
    e = Family("eof")
    none = {"opened": False}
    gone = {"opened": True, "code": 1006}
    quiet = either([response(400), END], [END], [response(*REFUSALS), ANYTHING])
    for id, data in [("at-once", []), ("within-the-request-line", [text("GET /")]), ("behind-the-request-line", [text("GET / HTTP/1.1\r\n")]),
                     ("within-a-name", [text("GET / HTTP/1.1\r\nHo")]), ("before-the-empty-line", [text("\r\n".join([*GOOD, ""]))])]:
        e.add(id, "a request that never comes whole ends in silence, or in a refusal", "RFC 9112 §8", "server", [*([send(*data)] if data else []), "half_close", quiet], told=none)
    for id, data in [("at-once", []), ("within-the-status-line", [text("HTTP/1.1 1")]), ("within-a-name", [text(RESPONSE[0] + "\r\nUpg")]), ("before-the-empty-line", [text("\r\n".join([*RESPONSE[:3], ""]))])]:
        e.add(id, "an answer that never comes whole opens nothing", "RFC 9112 §8, RFC 6455 §4.1", "client", [{"request": {}}, *([send(*data)] if data else []), "half_close", expect(END)], told=none)
    bit = lambda role: 0x80 if role == "server" else 0
    # A Close, though nobody will answer it, and the mere end are both right.
    over = either([END], [closed(1006, 1002, 1005, 1001, 1000, 1011), END])
    for id, data in [
        ("open", lambda role: []), ("within-a-header", lambda role: [hexed("81")]), ("within-a-length", lambda role: [hexed(f"82 {0x7e | bit(role):02x} 01")]),
        ("within-a-payload", lambda role: [hexed(f"81 {5 | bit(role):02x}" + (" 00 00 00 00" if bit(role) else "") + " 61")]), ("within-a-message", lambda role: [part("text", "half")]),
        ("behind-a-pong", lambda role: [frame("pong", "p")]), ("within-a-close", lambda role: [hexed(f"88 {2 | bit(role):02x}" + (" 00 00 00 00" if bit(role) else "") + " 03")]),
    ]:
        e.both(id, "the end of the transport without a Close ends the connection with 1006", "RFC 6455 §7.1.5, RFC 6455 §7.2.1", lambda role: [opened(), *([send(*data(role))] if data(role) else []), "half_close", over], told=gone)
    e.both("behind-a-message", "what came before the end is answered", "RFC 6455 §7.1.5",
           [opened(), *echoes(), "half_close", over], told={"opened": True, "messages": 1, "code": 1006})
    e.both("with-a-message", "a message that comes with the end is delivered", "RFC 6455 §7.1.5",
           [opened(), send(frame("text", "last words")), "half_close", either([message("last words"), END], [ANYTHING])], told={"opened": True, "messages": 1, "code": 1006})
    e.both("with-a-close", "a Close that comes with the end is answered", "RFC 6455 §5.5.1",
           [opened(), send(close(1000)), "half_close", expect(closed(1000), END)], told={"opened": True, "code": 1000})
    e.both("with-a-fault", "a fault that comes with the end is named", "RFC 6455 §7.1.7", [opened(), send(hexed("ff ff")), "half_close", fails(1002)], told=gone)
    e.both("reset-while-open", "a reset ends the connection with 1006", "RFC 6455 §7.1.5", [opened(), *echoes(), "reset"], told={"opened": True, "messages": 1, "code": 1006})
    e.both("reset-within-a-message", "so it does within a message", "RFC 6455 §7.1.5", [opened(), send(part("text", "half")), "reset"], told=gone)
    e.both("reset-behind-our-close", "so it does behind the subject's Close", "RFC 6455 §7.1.5", [opened(), send(order("close 1000 bye")), expect(closed(1000)), "reset"], told={"opened": True, "messages": 1, "code": 1006})


def timers():
    t = Family("timers")
    late = [[ended(380, 400)], [response(408, *REFUSALS), ended(380, 400)]]
    t.add("handshake-silence", "a client that says nothing is given up", "RFC 9110 §15.5.9", "server", [either([response(408), ended(400, 400)], *late)], "handshake-timer", {"opened": False})
    t.add("handshake-half", "so is one that does not end its request", "RFC 9110 §15.5.9", "server", [send(text("GET / HTTP/1.1\r\nHost: ")), either([response(408), ended(400, 400)], *late)], "handshake-timer", {"opened": False})
    t.add("handshake-drip", "the time is for the whole request, not from byte to byte", "RFC 9110 §15.5.9", "server",
          [drip(1, text("GET / HTTP/1.1"), pause=20), either([response(408), ended(0, 130)], [END])], "handshake-timer", {"opened": False})
    t.add("handshake-in-time", "a request that comes in time opens a connection", "RFC 6455 §4.2.1", "server", [{"wait": 150}, opened(), {"wait": 400}, *echoes()], "handshake-timer")
    t.add("handshake-silence", "a server that says nothing is given up", "RFC 6455 §4.1", "client", [{"request": {}}, expect(ended(350, 400))], "handshake-timer", {"opened": False})
    t.add("handshake-half", "so is one that does not end its answer", "RFC 6455 §4.1", "client", [{"request": {}}, send(text(RESPONSE[0] + "\r\nUpgra")), expect(ended(350, 400))], "handshake-timer", {"opened": False})
    t.add("handshake-interim", "interim responses win no time", "RFC 6455 §4.1", "client", [{"request": {}}, drip(25, repeat(6, http("HTTP/1.1 100 Continue")), pause=20), expect(ended(0, 300))], "handshake-timer", {"opened": False})
    t.add("handshake-in-time", "an answer that comes in time opens the connection", "RFC 6455 §4.1", "client", [{"request": {}}, {"wait": 150}, send(answer()), {"wait": 400}, *echoes()], "handshake-timer")
    c = "close-timer"
    t.both("close-not-answered", "a Close that nobody answers ends the transport in time", "RFC 6455 §7.1.1, RFC 6455 §7.1.7", [opened(), send(order("close 1000 bye")), expect(closed(1000)), either([ended(350, 400)], [ended(0, 400)])], c, {"opened": True, "messages": 1, "code": 1006})
    t.both("close-answered-by-data", "data is no answer to a Close, and wins no time", "RFC 6455 §7.1.1",
           [opened(), send(order("close 1000 bye")), expect(closed(1000)), drip(20, repeat(5, frame("pong", "not a close")), pause=20), expect(ended(0, 400))], c, {"opened": True, "messages": 1, "code": 1006})
    t.add("transport-not-ended", "a server that does not end the transport is not waited for without end", "RFC 6455 §7.1.1", "client", [opened(), send(close(1000)), expect(closed(1000)), either([ended(350, 400)], [ended(0, 400)])], c, {"opened": True, "code": 1000})
    k = "keepalive"
    t.both("keepalive-no-pong", "a peer that answers no Ping is given up with 1011", "RFC 6455 §5.5.2, RFC 6455 §7.4.1",
           [opened(), expect("ping"), either([closed(1011), ended(350, 400)], [closed(1000, 1001, 1002, 1006, 1008), ended(350, 400)], [ended(350, 400)])], k, {"opened": True, "code": 1006})
    t.both("keepalive-first-ping", "the first Ping comes when nothing has come for as long as was set", "RFC 6455 §5.5.2", [opened(), expect(silence(300)), expect("ping")], k)
    t.both("keepalive-pong", "a peer that answers is kept", "RFC 6455 §5.5.3", [opened(), "answer_ping", "answer_ping", "answer_ping", *echoes()], k)
    t.both("keepalive-any-byte", "a peer that sends anything is kept", "RFC 6455 §5.5.2", lambda role: [opened(), expect("ping"), {"wait": 200}, send(frame("text", "alive")), either([message("alive"), silence(250)], [message("alive"), closed(1011), END], ["ping", message("alive")], [message("alive")])], k)
    t.both("keepalive-other-pong", "a Pong that answers no Ping is a sign of life, too", "RFC 6455 §5.5.3", [opened(), expect("ping"), {"wait": 200}, send(frame("pong", "unasked")), either([silence(250)], [ANYTHING])], k)
    t.both("keepalive-close", "pings do not mix with a Close", "RFC 6455 §5.5.1", lambda role: [opened(), *goodbye(role)], k, {"opened": True, "code": 1000})
    i = "idle"
    t.both("idle", "a connection without messages is closed with 1001", "RFC 6455 §7.4.1", lambda role: [opened(), expect(silence(500)), expect(closed(1001)), send(close(1001)), *(["half_close"] if role == "client" else []), expect(END)], i, {"opened": True, "code": 1001})
    t.both("idle-pings", "pings are no messages", "RFC 6455 §7.4.1", [opened(), {"wait": 300}, send(frame("ping", "p")), expect(pong("p")), expect(closed(1001))], i)
    t.both("idle-not", "messages keep it from being idle", "RFC 6455 §7.4.1", [opened(), {"wait": 400}, *echoes(), expect(silence(400)), *echoes("still")], i)
