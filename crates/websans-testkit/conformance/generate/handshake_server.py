"""The opening handshake, role server."""

from words import *


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
