#!/usr/bin/env python3
"""Writes the scenario files beside this script, or with --check says whether they are as it would write them.

The files are what counts: they stand for themselves, and README.md says how they are read.  This script is there because
most scenarios come in families, for either role or for many values, which are better written once.
"""

import json
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).parent
FILES = {}


class Family:
    """A file."""

    def __init__(self, name):
        self.name = name
        self.scenarios = FILES.setdefault(name, [])

    def add(self, id, shows, rfc, role, steps, profile=None, told=None):
        scenario = {"id": f"{self.name}/{role}/{id}", "shows": shows, "rfc": rfc.split(", "), "role": role}
        if profile:
            scenario["profile"] = profile
        scenario["steps"] = steps
        if told:
            scenario["told"] = told
        self.scenarios.append(scenario)

    def both(self, id, shows, rfc, steps, profile=None, told=None):
        for role in ("server", "client"):
            self.add(id, shows, rfc, role, steps(role) if callable(steps) else steps, profile, told)


# Steps


def opened(*lines, **expect):
    step = {}
    if lines:
        step["lines"] = list(lines)
    if expect:
        step["expect"] = {name.replace("_", "-"): value for name, value in expect.items()}
    return {"open": step}


def send(*data):
    return {"send": list(data)}


def drip(piece, *data, pause=0):
    step = {"bytes": list(data), "piece": piece}
    if pause:
        step["pause"] = pause
    return {"drip": step}


def expect(*patterns):
    return {"expect": list(patterns)}


def either(ours, *others):
    return {"either": {"ours": ours, "or": list(others)}}


# Bytes


def http(*lines):
    return {"http": list(lines)}


def text(value):
    return {"text": value}


def hexed(value):
    return {"hex": value.hex(" ") if isinstance(value, bytes) else value}


def order(value):
    return {"order": value}


def repeat(times, *data):
    return {"repeat": {"times": times, "bytes": list(data)}}


def frame(op, value=None, fin=True, **more):
    made = {"op": op}
    if not fin:
        made["fin"] = False
    if isinstance(value, bytes):
        made["hex"] = value.hex()
    elif isinstance(value, int):
        made["fill"] = value
    elif value:
        made["text"] = value
    made.update(more)
    return {"frame": made}


def close(code=None, reason=None, **more):
    made = {"op": "close"}
    if code is not None:
        made["code"] = code
    if reason:
        made["reason"] = reason
    made.update(more)
    return {"frame": made}


def part(op, value=None, **more):
    return frame(op, value, fin=False, **more)


# Patterns

END = {"end": {}}
ANYTHING = "anything"


def message(value, compressed=None):
    made = {"fill": value} if isinstance(value, int) else {"hex": value.hex()} if isinstance(value, bytes) else {"text": value}
    if compressed is not None:
        made["compressed"] = compressed
    return {"message": made}


def bodiless(*status):
    return {"response": {"status": list(status), "bodiless": True}}


def closed(*codes):
    return {"close": list(codes)}


def pong(value):
    return {"last_pong": value}


def silence(time):
    return {"silence": time}


def ended(after=0, within=None):
    made = {}
    if after:
        made["after"] = after
    if within is not None:
        made["within"] = within
    return {"end": made}


def response(*status, **headers):
    made = {"status": list(status)}
    if headers:
        made["headers"] = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"response": made}


def fails(*codes, lenient=()):
    """The connection fails: with a Close, or, as RFC 6455 7.1.7 lets one, by the end of the transport alone."""
    others = [[END]]
    if lenient:
        others.insert(0, [closed(*codes, *lenient), END])
    return either([closed(*codes), END], *others)


def echoes(value="alive"):
    return [send(frame("text", value)), expect(message(value))]


# What is done to end a conversation that went well, with either role.
def goodbye(role):
    if role == "server":
        return [send(close(1000)), expect(closed(1000), END)]
    return [send(close(1000)), expect(closed(1000)), "half_close", expect(END)]


REFUSALS = [400, 403, 404, 405, 408, 411, 413, 414, 417, 421, 422, 426, 431, 501, 505]


def refused(status, *others_too, silent=False, **headers):
    """A refusal, after which ours ends the transport; others may stay in HTTP, or hang up where it is hardly HTTP."""
    others = [[response(*REFUSALS), END], [response(*REFUSALS)], *others_too]
    if silent:
        others.append([END])
    return either([response(status, **headers), END], *others)


# The opening handshake, role server

GOOD = [
    "GET {path} HTTP/1.1",
    "Host: {host}",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: {key}",
    "Sec-WebSocket-Version: 13",
]


def request(first=None, without=None, more=(), **changed):
    lines = [first or GOOD[0]]
    for line in GOOD[1:]:
        name = line.split(":")[0]
        key = name.replace("-", "_")
        if name == without:
            continue
        lines.append(f"{name}: {changed[key]}" if key in changed else line)
    return http(*lines, *more)


def handshake_server():
    h = Family("handshake")
    opens = expect(response(101))

    def good(id, shows, rfc, data, answer=opens):
        # Where a refusal is as good, the conversation ends here.
        h.add(id, shows, rfc, "server", [send(data), answer, *(echoes() if "expect" in answer else [])])

    def bad(id, shows, rfc, data, answer, profile=None):
        h.add(id, shows, rfc, "server", [send(data) if isinstance(data, dict) else send(*data), answer], profile, {"opened": False})

    good("good", "a request as RFC 6455 prints it opens a connection", "RFC 6455 §4.2.1", request())
    good("good-lower-case-names", "names of headers have no case", "RFC 6455 §4.1, RFC 9110 §5.1",
         http(*[GOOD[0]], *[line.split(":")[0].lower() + ":" + line.split(":", 1)[1] for line in GOOD[1:]]))
    good("good-upper-case-names", "names of headers have no case", "RFC 6455 §4.1, RFC 9110 §5.1",
         http(*[GOOD[0]], *[line.split(":")[0].upper() + ":" + line.split(":", 1)[1] for line in GOOD[1:]]))
    good("good-upgrade-case", "the value of Upgrade has no case", "RFC 6455 §4.2.1", request(Upgrade="WebSocket"))
    good("good-upgrade-list", "Upgrade may be a list that contains websocket", "RFC 6455 §4.2.1, RFC 9110 §7.8",
         request(Upgrade="h2c, websocket"), answer=either([response(101)], [response(*REFUSALS), ANYTHING]))
    good("good-connection-case", "the tokens of Connection have no case", "RFC 6455 §4.2.1", request(Connection="upgrade"))
    good("good-connection-list", "Connection is a list, as browsers send it", "RFC 6455 §4.2.1", request(Connection="keep-alive, Upgrade"))
    good("good-connection-empty-elements", "empty elements of a list mean nothing", "RFC 9110 §5.6.1", request(Connection=", Upgrade,"))
    good("good-connection-twice", "Connection may be sent in two lines", "RFC 9110 §5.3", request(more=["Connection: keep-alive"]))
    good("good-no-space", "no blank is needed behind the colon", "RFC 9112 §5", http(GOOD[0], *[line.replace(": ", ":") for line in GOOD[1:]]))
    good("good-blanks-around-values", "blanks and tabs around values mean nothing", "RFC 9112 §5.1",
         http(GOOD[0], *[line.replace(": ", ": \t ") + " \t" for line in GOOD[1:]]))
    good("good-other-order", "headers come in any order", "RFC 9110 §5.3", http(GOOD[0], *reversed(GOOD[1:])))
    good("good-query", "the target may have a query", "RFC 6455 §3", request("GET {path}?a=b&c=%20d HTTP/1.1"))
    good("good-origin", "clients that are no browsers may send an Origin of their own host", "RFC 6455 §10.2", request(more=["Origin: http://{host}"]))
    good("good-cookies", "further headers are none of the handshake's business", "RFC 6455 §4.2.1", request(more=["Cookie: a=b; c=d", "User-Agent: x", "X-Odd: \"(),/:;<=>?@[\\]{}"]))
    good("good-long-header", "a header of 2000 bytes is within every limit", "RFC 6455 §4.2.1", request(more=["Cookie: " + "c" * 2000]))
    good("good-unknown-extension", "an extension that is not known is declined", "RFC 6455 §9.1", request(more=["Sec-WebSocket-Extensions: x-unknown; a=1; b=\"c\""]),
         answer=expect(response(101, Sec_WebSocket_Extensions=None)))
    good("good-unknown-protocol", "a subprotocol that is not spoken is not chosen", "RFC 6455 §4.2.2", request(more=["Sec-WebSocket-Protocol: unknown"]),
         answer=either([response(101, Sec_WebSocket_Protocol=None)], [response(101, Sec_WebSocket_Protocol="unknown")], [response(*REFUSALS), ANYTHING]))
    good("good-absolute-target", "the target may be a whole URL", "RFC 9112 §3.2.2", request("GET http://{host}{path} HTTP/1.1"),
         answer=either([response(101)], [response(*REFUSALS), ANYTHING]))

    h.add("good-no-extension-unasked", "what was not offered is not agreed on", "RFC 6455 §4.2.2, RFC 7692 §5", "server",
          [opened(Sec_WebSocket_Extensions=None, Sec_WebSocket_Protocol=None), *echoes()], "deflate")
    h.add("frames-behind-the-head", "frames that come in one write with the request are not lost", "RFC 6455 §4.1, RFC 6455 §4.2.2", "server",
          [send(request(), frame("text", "early")), either([response(101), message("early")], [response(101), ANYTHING], [response(*REFUSALS), ANYTHING])],
          told={"opened": True, "messages": 1})
    h.add("half-a-frame-behind-the-head", "half a frame behind the request waits for its other half", "RFC 6455 §4.2.2", "server",
          [send(request(), hexed("81 83 00 00 00 00 61")), either([response(101)], [response(*REFUSALS), ANYTHING]),
           send(hexed("62 63")), either([message("abc")], [END], [closed(1002), END])])
    h.add("byte-by-byte", "a request that comes byte by byte opens a connection", "RFC 6455 §4.2.1", "server", [drip(1, request()), opens, *echoes()])
    for piece in (2, 7, 64, 150):
        h.add(f"pieces-of-{piece}", "a request may be cut anywhere", "RFC 6455 §4.2.1", "server", [drip(piece, request()), opens, *echoes()])
    h.add("empty-line-first", "an empty line before the request may be ignored", "RFC 9112 §2.2", "server",
          [send(text("\r\n"), request()), either([response(101)], [response(400), END], [response(*REFUSALS)], [END])])
    h.add("bare-line-feeds", "lines may end in a mere LF, or be refused for it", "RFC 9112 §2.2", "server",
          [send(text("\n".join([*GOOD, "", ""]))), either([response(400), END], [response(101)], [response(*REFUSALS)], [END])])

    for name, status in [("Host", 400), ("Upgrade", 426), ("Connection", 400), ("Sec-WebSocket-Key", 400), ("Sec-WebSocket-Version", 426)]:
        short = name.lower().replace("sec-websocket-", "")
        # Without Upgrade or Connection it is an ordinary request, which gets an ordinary answer.
        ordinary = [[response(200, 204, 301, 302, 307, 308)]] if name in ("Upgrade", "Connection") else []
        rule = {"Host": "RFC 6455 §4.2.1, RFC 9112 §3.2", "Upgrade": "RFC 6455 §4.2.1, RFC 9110 §15.5.22"}.get(name, "RFC 6455 §4.2.1")
        bad(f"without-{short}", f"a request without {name} does not open", rule, request(without=name), refused(status, *ordinary))
        if name != "Host":
            bad(f"empty-{short}", f"a request with an empty {name} does not open", rule, request(**{name.replace("-", "_"): ""}), refused(status, *ordinary))
    for id, value in [("17-bytes", "dGhlIHNhbXBsZSBub25jZTE="), ("15-bytes", "AAAAAAAAAAAAAAAAAAAA"),
                      ("not-base64", "!!!!!!!!!!!!!!!!!!!!!!=="), ("unpadded", "dGhlIHNhbXBsZSBub25jZQ"), ("with-blank", "dGhlIHNhbXBs ZSBub25jZQ==")]:
        bad(f"key-{id}", "the key is 16 bytes in base64", "RFC 6455 §4.2.1", request(Sec_WebSocket_Key=value), refused(400))
    bad("key-twice", "the key comes once", "RFC 6455 §11.3.1", request(more=["Sec-WebSocket-Key: {key}"]), refused(400, [response(101)]))
    bad("keys-differ", "the key comes once", "RFC 6455 §11.3.1", request(more=["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]), refused(400, [response(101)]))
    for version in ("0", "7", "8", "12", "14", "130", "13, 8", "13;", "x"):
        id = version.replace(", ", "-and-").replace(";", "-semicolon")
        bad(f"version-{id}", "another version than 13 is answered with the version that is spoken", "RFC 6455 §4.4, RFC 6455 §4.2.2",
            request(Sec_WebSocket_Version=version),
            either([response(426, Sec_WebSocket_Version="13"), END], [response(400, 426, Sec_WebSocket_Version={"has": "13"})], [response(*REFUSALS)])
            if version in ("13, 8", "13;", "x") else
            # Whoever speaks drafts as well may do so.
            either([response(426, Sec_WebSocket_Version="13"), END], [response(400, 426, Sec_WebSocket_Version={"has": "13"})], *([[response(101)]] if version in ("7", "8") else [])))
    bad("version-twice", "the version comes once", "RFC 6455 §11.3.5", request(more=["Sec-WebSocket-Version: 13"]), refused(400, [response(101)]))
    bad("version-8-then-13", "the version comes once", "RFC 6455 §11.3.5", request(Sec_WebSocket_Version="8", more=["Sec-WebSocket-Version: 13"]), refused(400, [response(101)]))

    for method in ("POST", "HEAD", "PUT", "OPTIONS", "get"):
        extra = [[response(200, 204)], [END]] if method in ("HEAD", "OPTIONS", "get") else []
        answer = refused(405, *extra) if method != "HEAD" else either([bodiless(405), ANYTHING], [bodiless(*REFUSALS)], [bodiless(200, 204)], [END])
        id = "lower-case-get" if method == "get" else method.lower()
        bad(f"method-{id}", "the method is GET, and methods have a case", "RFC 6455 §4.2.1, RFC 9110 §9.1", request(f"{method} {{path}} HTTP/1.1"), answer)
    bad("http-1.0", "HTTP/1.0 has no upgrade", "RFC 6455 §4.2.1", request("GET {path} HTTP/1.0"), either(
        [response(505), END], [response(*REFUSALS), END], [response(*REFUSALS)], [ANYTHING]))
    bad("http-2.0", "a version that is not spoken is refused", "RFC 9110 §15.6.6", request("GET {path} HTTP/2.0"), refused(505, silent=True))
    bad("http-lower-case", "the name of the protocol has a case", "RFC 9112 §2.3", request("GET {path} http/1.1"), refused(400, silent=True))
    bad("http-no-version", "a request line has three parts", "RFC 9112 §3", request("GET {path}"), refused(400, silent=True))
    bad("target-empty", "a request line has a target", "RFC 9112 §3", request("GET  HTTP/1.1"), refused(400, silent=True))
    bad("target-relative", "a target begins with a slash", "RFC 9112 §3.2", request("GET chat HTTP/1.1"), refused(400, silent=True))
    bad("target-with-blank", "a target has no blank", "RFC 9112 §3.2", request("GET /a b HTTP/1.1"), refused(400, silent=True))
    bad("target-fragment", "a target has no fragment", "RFC 6455 §3, RFC 9112 §3.2", request("GET {path}#top HTTP/1.1"), refused(400, [response(101)], silent=True))
    for id, value in [("upgrade-other", "h2c"), ("upgrade-longer", "websockets"), ("upgrade-shorter", "websocke"), ("upgrade-within", "my-websocket")]:
        bad(id, "Upgrade must name websocket, as a token", "RFC 6455 §4.2.1", request(Upgrade=value), refused(426, [response(200, 204)]))
    for id, value in [("connection-close", "close"), ("connection-within", "notupgrade"), ("connection-parameter", "Upgrade;q=1"), ("connection-blank", "keep-alive Upgrade")]:
        bad(id, "Connection must contain upgrade, as a token", "RFC 6455 §4.2.1", request(Connection=value), refused(400, [response(200, 204)]))

    # What front ends and back ends read in two ways
    bad("host-twice", "two Hosts are refused", "RFC 9112 §3.2", request(more=["Host: {host}"]), refused(400))
    bad("hosts-differ", "two Hosts are refused", "RFC 9112 §3.2", request(more=["Host: example.org"]), refused(400))
    for id, value in [("blank", "a b"), ("port", "localhost:99999"), ("user", "user@localhost"), ("bracket", "["), ("slash", "localhost/x")]:
        bad(f"host-bad-{id}", "a Host that is none is refused", "RFC 9112 §3.2", request(Host=value), refused(400))
    bad("folded", "a header folded over two lines is refused", "RFC 9112 §5.2", request(more=["X-Folded: a", " b"]), refused(400, [response(101)], silent=True))
    bad("space-before-colon", "a blank before the colon is refused", "RFC 9112 §5.1", request(more=["X-Space : a"]), refused(400, silent=True))
    bad("blank-before-name", "a first header that begins with a blank is refused", "RFC 9112 §2.2", http(GOOD[0], " X: y", *GOOD[1:]), refused(400, [response(101)], silent=True))
    bad("no-colon", "a header line without a colon is refused", "RFC 9112 §5", request(more=["nonsense"]), refused(400, silent=True))
    bad("empty-name", "a header has a name", "RFC 9110 §5.1", request(more=[": a"]), refused(400, silent=True))
    bad("name-not-token", "the name of a header is a token", "RFC 9110 §5.1", request(more=["X@(): a"]), refused(400, silent=True))
    for id, byte in [("nul", "00"), ("bare-cr", "0d"), ("bell", "07"), ("delete", "7f")]:
        data = [text("\r\n".join(GOOD) + "\r\nX-Odd: a"), hexed(byte), text("b\r\n\r\n")]
        strict = id in ("nul", "bare-cr")
        bad(f"value-with-{id}", "control characters in a value are refused", "RFC 9110 §5.5" + (", RFC 9112 §2.2" if id == "bare-cr" else ""), data,
            refused(400, *([] if strict else [[response(101)]]), silent=True))
    for id, more, rule in [
        ("content-length", ["Content-Length: 5"], "RFC 9112 §6"), ("transfer-encoding", ["Transfer-Encoding: chunked"], "RFC 9112 §6.1"),
        ("both-lengths", ["Content-Length: 5", "Transfer-Encoding: chunked"], "RFC 9112 §6.1"),
        ("lengths-differ", ["Content-Length: 0", "Content-Length: 5"], "RFC 9112 §6.3"),
        ("length-not-number", ["Content-Length: +5"], "RFC 9112 §6.3"), ("length-list", ["Content-Length: 5, 6"], "RFC 9112 §6.3"),
        ("coding-unknown", ["Transfer-Encoding: xchunked"], "RFC 9112 §6.1"),
    ]:
        # A body of five bytes and a second request: whoever answers twice has been led to take one for the other.
        data = [request(more=more), text("hello"), http("GET /second HTTP/1.1", "Host: {host}")]
        bad(f"body-{id}", "a handshake that announces a body does not open, and what follows is no request", rule, data,
            refused(400, [response(101), ANYTHING], silent=True))
    bad("refused-then-request", "behind a refusal nothing is answered as if it were part of the connection", "RFC 6455 §4.2.2, RFC 9112 §9.6",
        [request(Sec_WebSocket_Key="x"), frame("text", "smuggled")], either([response(400), END], [response(*REFUSALS), ANYTHING], [response(*REFUSALS), response(400), ANYTHING]))
    for id, data in [("tls", [hexed("16 03 01 00 2f 01 00 00 2b 03 03"), hexed(bytes(36))]), ("http2-preface", [text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]),
                     ("binary", [hexed("00 ff 00 ff 0d 0a 0d 0a")]), ("frame", [frame("text", "no handshake"), text("\r\n\r\n")])]:
        bad(f"not-http-{id}", "what is not HTTP/1.1 is refused", "RFC 9112 §3", data, either([response(505 if id == "http2-preface" else 400), END], [response(*REFUSALS)], [END], [ANYTHING], [silence(500)]))

    # Offers
    for id, value, rule in [("empty-element", "chat,,superchat", "RFC 9110 §5.6.1"), ("twice", "chat, chat", "RFC 6455 §4.1"), ("blank", "chat superchat", "RFC 6455 §4.1"),
                            ("separator", "chat/2", "RFC 6455 §4.1"), ("empty", "", "RFC 6455 §4.1")]:
        ours = [response(101, Sec_WebSocket_Protocol="chat")] if id == "empty-element" else [response(400), END]
        others = [[response(*REFUSALS), ANYTHING], [response(*REFUSALS)], [response(101)]]
        h.add(f"protocols-{id}", "offers of subprotocols are lists of distinct tokens; recipients may be lenient", rule, "server",
              [send(request(more=[f"Sec-WebSocket-Protocol: {value}"])), either(ours, *others)], "protocols")
    for id, value, chosen in [("first", "chat, superchat", "chat"), ("second", "unknown, superchat", "superchat"), ("none", "unknown, other", None), ("case", "Chat", None)]:
        h.add(f"protocol-{id}", "the chosen subprotocol is one of those offered, or none; names have a case", "RFC 6455 §4.2.2, RFC 6455 §1.9", "server",
              [send(request(more=[f"Sec-WebSocket-Protocol: {value}"])),
               either([response(101, Sec_WebSocket_Protocol=chosen)],
                      *([[response(101, Sec_WebSocket_Protocol=["chat", "superchat"])]] if id == "first" else []), [response(*REFUSALS)])], "protocols")
    h.add("protocol-two-lines", "an offer may come in two lines", "RFC 6455 §11.3.4", "server",
          [send(request(more=["Sec-WebSocket-Protocol: unknown", "Sec-WebSocket-Protocol: chat"])), expect(response(101, Sec_WebSocket_Protocol="chat"))], "protocols")
    h.add("protocol-not-offered", "without an offer no subprotocol is chosen", "RFC 6455 §4.2.2", "server",
          [opened(Sec_WebSocket_Protocol=None)], "protocols")
    for id, value in [("empty-name", "; a"), ("unclosed-quote", "x; a=\"b"), ("two-equals", "x; a==b"), ("blank", "x y"), ("quoted-not-token", "x; a=\"b c\"")]:
        h.add(f"extensions-{id}", "an offer of extensions that breaks the grammar is refused or declined", "RFC 6455 §9.1", "server",
              [send(request(more=[f"Sec-WebSocket-Extensions: {value}"])),
               either([response(400), END],
                      [response(*REFUSALS)], [response(101, Sec_WebSocket_Extensions=None)])])

    # Limits
    def large(id, shows, data, statuses=(431,), ours=431):
        h.add(id, shows, "RFC 6585 §5, RFC 9112 §3", "server", [send(*data), either([response(ours), ANYTHING], [response(*REFUSALS)], [END], [ANYTHING])], "head", {"opened": False})

    large("head-one-line-too-long", "a head beyond the limit is refused: one header", [request(more=["X: " + "y" * 4096])])
    large("head-target-too-long", "a head beyond the limit is refused: the target", [request("GET /" + "y" * 4096 + " HTTP/1.1")])
    large("head-too-many-lines", "a head of too many lines is refused", [request(more=[f"X-{n}: y" for n in range(40)])])
    large("head-without-end", "a head beyond the limit is refused before it ends", [text(GOOD[0] + "\r\nX: "), repeat(5000, text("y"))])
    large("head-lines-without-end", "lines beyond the limit are refused before the head ends", [text(GOOD[0] + "\r\n"), repeat(100, text("X: y\r\n"))])
    h.add("head-within-limits", "a head within both limits opens a connection", "RFC 6585 §5", "server",
          [send(request(more=["X-Long: " + "y" * 3000, *[f"X-{n}: y" for n in range(20)]])), opens, *echoes()], "head")


# The opening handshake, role client

RESPONSE = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: {accept}",
]


def answer(first=None, without=None, more=(), **changed):
    lines = [first or RESPONSE[0]]
    for line in RESPONSE[1:]:
        name = line.split(":")[0]
        key = name.replace("-", "_")
        if name != without:
            lines.append(f"{name}: {changed[key]}" if key in changed else line)
    return http(*lines, *more)


def handshake_client():
    h = Family("handshake")
    ask = {"request": {}}

    def good(id, shows, rfc, *data, profile=None):
        h.add(id, shows, rfc, "client", [ask, send(*data), *echoes()], profile)

    def bad(id, shows, rfc, *data, profile=None, lenient=False, then=()):
        outcome = either([END], [message("alive")]) if lenient else expect(END)
        h.add(id, shows, rfc, "client", [ask, send(*data), *then, *([send(frame("text", "alive"))] if lenient else []), outcome], profile, {"opened": False})

    good("good", "an answer as RFC 6455 prints it opens the connection", "RFC 6455 §4.1", answer())
    h.add("request", "the request has what RFC 6455 lists, and nothing that was not asked for", "RFC 6455 §4.1", "client",
          [{"request": {"headers": {"Sec-WebSocket-Protocol": None, "Content-Length": [None, "0"], "Transfer-Encoding": None}}}, send(answer()), *echoes()])
    h.add("request-with-protocols", "the subprotocols that are wanted are offered, the best one first", "RFC 6455 §4.1", "client",
          [{"request": {"headers": {"Sec-WebSocket-Protocol": ["chat, superchat", "chat,superchat"]}}}, send(answer(more=["Sec-WebSocket-Protocol: superchat"])), *echoes()], "protocols")
    good("good-lower-case", "names of headers and the value of Upgrade have no case", "RFC 6455 §4.1",
         http(RESPONSE[0], "upgrade: WEBSOCKET", "connection: upgrade", "sec-websocket-accept: {accept}"))
    good("good-other-reason", "the reason phrase means nothing", "RFC 9112 §4", answer("HTTP/1.1 101 Fine"))
    good("good-no-reason", "the reason phrase may be empty", "RFC 9112 §4", answer("HTTP/1.1 101 "))
    good("good-blanks-around-values", "blanks and tabs around values mean nothing", "RFC 9112 §5.1", http(RESPONSE[0], *[line.replace(": ", ":\t ") + " \t" for line in RESPONSE[1:]]))
    good("good-further-headers", "further headers mean nothing", "RFC 6455 §4.1", answer(more=["Server: x", "Set-Cookie: a=b", "Date: Thu, 01 Jan 1970 00:00:00 GMT"]))
    good("good-connection-list", "Connection is a list", "RFC 6455 §4.1", answer(Connection="keep-alive, upgrade"))
    good("good-protocol-not-chosen", "a server need not choose a subprotocol", "RFC 6455 §4.1", answer(), profile="protocols")
    good("interim-100", "an interim response is no answer yet", "RFC 9110 §15.2", http("HTTP/1.1 100 Continue"), answer())
    good("interim-103", "an interim response is no answer yet", "RFC 8297 §2, RFC 9110 §15.2", http("HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload"), answer())
    good("interim-two", "there may be several interim responses", "RFC 9110 §15.2", http("HTTP/1.1 102 Processing"), http("HTTP/1.1 103 Early Hints"), answer())
    h.add("frames-behind-the-head", "frames that come in one write with the answer are not lost", "RFC 6455 §4.1", "client",
          [ask, send(answer(), frame("text", "early")), expect(message("early"))], told={"opened": True, "messages": 1})
    h.add("half-a-frame-behind-the-head", "half a frame behind the answer waits for its other half", "RFC 6455 §4.1", "client",
          [ask, send(answer(), hexed("81 03 61")), send(hexed("62 63")), expect(message("abc"))])
    h.add("close-behind-the-head", "a Close that comes in one write with the answer is answered", "RFC 6455 §5.5.1", "client",
          [ask, send(answer(), close(1001, "full")), expect(closed(1001)), "half_close", expect(END)], told={"opened": True, "code": 1001})
    h.add("byte-by-byte", "an answer that comes byte by byte opens the connection", "RFC 6455 §4.1", "client", [ask, drip(1, answer()), *echoes()])
    for piece in (3, 50):
        h.add(f"pieces-of-{piece}", "an answer may be cut anywhere", "RFC 6455 §4.1", "client", [ask, drip(piece, answer()), *echoes()])

    for id, value in [("wrong", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), ("of-another-key", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="), ("empty", ""), ("with-more", "{accept}x"), ("list", "{accept}, {accept}"), ("quoted", "\"{accept}\"")]:
        bad(f"accept-{id}", "an Accept that does not match the key fails the connection", "RFC 6455 §4.1", answer(Sec_WebSocket_Accept=value))
    bad("accept-missing", "without Accept the connection fails", "RFC 6455 §4.1", answer(without="Sec-WebSocket-Accept"))
    bad("accept-twice", "Accept comes once", "RFC 6455 §11.3.3", answer(more=["Sec-WebSocket-Accept: {accept}"]), lenient=True)
    bad("accepts-differ", "Accept comes once", "RFC 6455 §11.3.3", answer(more=["Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="]), lenient=True)
    bad("upgrade-missing", "without Upgrade the connection fails", "RFC 6455 §4.1", answer(without="Upgrade"))
    bad("upgrade-other", "Upgrade must be websocket", "RFC 6455 §4.1", answer(Upgrade="h2c"))
    bad("upgrade-list", "Upgrade must be websocket alone", "RFC 6455 §4.1", answer(Upgrade="websocket, h2c"))
    bad("connection-missing", "without Connection the connection fails", "RFC 6455 §4.1", answer(without="Connection"))
    bad("connection-other", "Connection must contain upgrade", "RFC 6455 §4.1", answer(Connection="close"))
    bad("connection-within", "Connection must contain upgrade as a token", "RFC 6455 §4.1", answer(Connection="notupgrade"))
    bad("http-1.0", "HTTP/1.0 has no upgrade", "RFC 6455 §4.1, RFC 9110 §7.8", answer("HTTP/1.0 101 Switching Protocols"))
    for id, first in [("no-version", "101 Switching Protocols"), ("not-http", "ICY 101 OK"), ("status-short", "HTTP/1.1 10 X"), ("status-long", "HTTP/1.1 1010 X"), ("status-word", "HTTP/1.1 one X")]:
        bad(f"status-line-{id}", "a status line that is none fails the connection", "RFC 9112 §4", answer(first))
    bad("protocol-unsolicited", "a subprotocol that was not offered fails the connection", "RFC 6455 §4.1", answer(more=["Sec-WebSocket-Protocol: chat"]))
    bad("protocol-other", "a subprotocol that was not offered fails the connection", "RFC 6455 §4.1", answer(more=["Sec-WebSocket-Protocol: other"]), profile="protocols")
    bad("protocol-case", "names of subprotocols have a case", "RFC 6455 §4.1", answer(more=["Sec-WebSocket-Protocol: CHAT"]), profile="protocols")
    bad("protocol-two", "one subprotocol is chosen", "RFC 6455 §4.1, RFC 6455 §11.3.4", answer(more=["Sec-WebSocket-Protocol: chat, superchat"]), profile="protocols")
    bad("protocol-two-lines", "one subprotocol is chosen", "RFC 6455 §11.3.4", answer(more=["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat"]), profile="protocols")
    bad("extension-unsolicited", "an extension that was not offered fails the connection", "RFC 6455 §4.1", answer(more=["Sec-WebSocket-Extensions: x-unknown"]))
    bad("extension-malformed", "an extension that breaks the grammar fails the connection", "RFC 6455 §9.1", answer(more=["Sec-WebSocket-Extensions: ;"]))
    for status, reason, more in [(200, "OK", ["Content-Length: 0"]), (204, "No Content", []), (301, "Moved", ["Location: ws://127.0.0.1:9/"]), (302, "Found", ["Location: /elsewhere"]), (307, "Temporary Redirect", ["Location: http://127.0.0.1:9/"]),
                                 (400, "Bad Request", []), (401, "Unauthorized", ["WWW-Authenticate: Basic realm=\"x\""]), (403, "Forbidden", []),
                                 (404, "Not Found", []), (407, "Proxy Authentication Required", []), (426, "Upgrade Required", ["Sec-WebSocket-Version: 12"]), (500, "Internal Server Error", []), (503, "Service Unavailable", ["Retry-After: 1"])]:
        length = [] if status in (200, 204) else ["Content-Length: 2"]
        body = [] if status in (200, 204) else [text("no")]
        # The headers of a switch do not make it one.
        bad(f"status-{status}", f"only 101 opens the connection: {status} does not, whatever its headers", "RFC 6455 §4.1",
            answer(f"HTTP/1.1 {status} {reason}", more=[*more, *length]), *body)
    h.add("refusal-then-frames", "frames behind a refusal are not taken for frames", "RFC 6455 §4.1", "client",
          [ask, send(answer("HTTP/1.1 200 OK", more=["Content-Length: 0"]), frame("text", "smuggled")), expect(END)], told={"opened": False})
    bad("folded", "a header folded over two lines may fail the connection", "RFC 9112 §5.2", answer(more=["X-Folded: a", " b"]), lenient=True)
    bad("space-before-colon", "a blank before the colon may fail the connection", "RFC 9112 §5.1", answer(more=["X-Space : a"]), lenient=True)
    bad("value-with-nul", "a NUL in a value may fail the connection", "RFC 9110 §5.5", text("\r\n".join(RESPONSE) + "\r\nX-Odd: a"), hexed("00"), text("b\r\n\r\n"), lenient=True)
    bad("bare-line-feeds", "lines that end in a mere LF may fail the connection", "RFC 9112 §2.2", text("\n".join([*RESPONSE, "", ""])), lenient=True)
    bad("head-too-long", "a head beyond the limit fails the connection", "RFC 6455 §10.4", answer(more=["X: " + "y" * 4096]), profile="head")
    bad("head-too-many-lines", "a head of too many lines fails the connection", "RFC 6455 §10.4", answer(more=[f"X-{n}: y" for n in range(40)]), profile="head")
    bad("head-without-end", "a head beyond the limit fails the connection before it ends", "RFC 6455 §10.4", text(RESPONSE[0] + "\r\nX: "), repeat(5000, text("y")), profile="head")
    bad("interim-without-end", "interim responses without an end fail the connection", "RFC 6455 §10.4", repeat(400, http("HTTP/1.1 103 Early Hints")), profile="head")


# Masking

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


# Lengths and limits

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


# Floods

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


# Closing

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


# The end of the transport

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


# Timers

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


# Text

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


# Compression

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


def dump(scenario):
    """A scenario with a line for each field and each step."""
    short = lambda value: json.dumps(value, ensure_ascii=True)
    lines = []
    for key, value in scenario.items():
        if key == "steps":
            steps = ",\n".join(f"      {short(step)}" for step in value)
            lines.append(f'    "steps": [\n{steps}\n    ]')
        else:
            lines.append(f'    "{key}": {short(value)}')
    return "  {\n" + ",\n".join(lines) + "\n  }"


def main():
    for family in (handshake_server, handshake_client, masking, limits, floods, closing, ends, timers, texts, deflate):
        family()
    stale = []
    for name, scenarios in FILES.items():
        # Either role has a file of its own.
        for role in ("server", "client"):
            path = HERE / f"{name}-{role}.json"
            content = "[\n" + ",\n".join(dump(one) for one in scenarios if one["role"] == role) + "\n]\n"
            if "--check" not in sys.argv:
                path.write_text(content)
            elif not path.exists() or path.read_text() != content:
                stale.append(path.name)
    if stale:
        sys.exit(f"not as generate.py writes them: {', '.join(stale)}")
    if "--check" not in sys.argv:
        print(sum(map(len, FILES.values())), "scenarios")


if __name__ == "__main__":
    main()
