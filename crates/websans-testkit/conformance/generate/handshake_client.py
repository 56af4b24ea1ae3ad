"""The opening handshake, role client."""

from words import *


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
