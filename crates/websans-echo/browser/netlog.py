"""What Chromium wrote down of its WebSockets: by which version of HTTP each began, how that was answered, what passed.

This is the browser's own account of what it sent, so it shows what no page can see: whether a WebSocket is a stream of an
HTTP/2 connection (RFC 8441), and which of its messages were compressed.
"""

import json

from driver import WebDriverError

HTTP1, HTTP2 = "HTTP/1.1", "HTTP/2"
END = '"polledData"'
ENABLE_CONNECT = "8 (SETTINGS_ENABLE_CONNECT_PROTOCOL)"


class WebSocket:
    def __init__(self, url):
        self.url = url
        self.version = None
        self.status = None
        self.extensions = ""
        self.compressed = 0  # messages, both ways

    def answer(self, status, fields):
        self.status = int(status)
        self.extensions = fields.get("sec-websocket-extensions", "")


def web_sockets(path):
    """All of a session that has ended, in the order of their beginnings."""
    with open(path, encoding="utf-8") as file:
        # One line of constants, then one line for each event, then what else there is to say at the end.
        lines = file.read().splitlines()
    if not any(line.startswith(END) for line in lines[-2:]):
        raise WebDriverError("Chromium did not finish its net log")
    types = json.loads(lines[0].rstrip(",") + "}")["constants"]["logEventTypes"]
    names = {number: name for name, number in types.items()}
    history = History()
    for line in lines[2:]:
        if line.startswith(END):
            break
        event = json.loads(line.rstrip("],"))
        history.add(event["source"]["id"], names[event["type"]], event.get("params", {}))
    return list(history.sockets.values())


class History:
    """What has been read so far. An event's source is a request, or a connection of HTTP/2."""

    def __init__(self):
        self.sockets = {}  # by request
        self._streams = {}  # the same, by connection and stream
        self._allowed = set()  # connections whose server has enabled extended CONNECT

    def add(self, source, name, told):
        if name == "URL_REQUEST_START_JOB" and told.get("url", "").startswith(("ws://", "wss://")):
            self.sockets[source] = WebSocket(told["url"])
        elif name == "HTTP2_SESSION_RECV_SETTING" and told == {"id": ENABLE_CONNECT, "value": 1}:
            self._allowed.add(source)
        elif name == "HTTP2_SESSION_SEND_HEADERS" and told["source_dependency"]["id"] in self.sockets:
            fields = fields_of(told)
            assert (fields[":method"], fields[":protocol"]) == ("CONNECT", "websocket"), told
            assert source in self._allowed, "extended CONNECT to a server that has not enabled it"
            socket = self._streams[source, told["stream_id"]] = self.sockets[told["source_dependency"]["id"]]
            socket.version = HTTP2
        elif name == "HTTP2_SESSION_RECV_HEADERS" and (source, told["stream_id"]) in self._streams:
            fields = fields_of(told)
            self._streams[source, told["stream_id"]].answer(fields[":status"], fields)
        elif source in self.sockets:
            self._add_to(self.sockets[source], name, told)

    def _add_to(self, socket, name, told):
        if name == "HTTP_TRANSACTION_SEND_REQUEST_HEADERS":
            assert told["line"].endswith(" HTTP/1.1\r\n") and fields_of(told)["upgrade"] == "websocket", told
            socket.version = HTTP1
        elif name == "HTTP_TRANSACTION_READ_RESPONSE_HEADERS" and socket.version == HTTP1:
            socket.answer(told["headers"][0].split()[1], fields_of(told))
        elif name == "WEBSOCKET_UPGRADE_FAILURE" and "response code: " in told["message"]:
            socket.answer(told["message"].rpartition(": ")[2], {})
        elif name in ("WEBSOCKET_SENT_FRAME_HEADER", "WEBSOCKET_RECV_FRAME_HEADER") and told["opcode"] in (1, 2):
            socket.compressed += told["reserved1"]


def fields_of(told):
    """A header's fields by name, pseudo-header fields included."""
    pairs = (line.rpartition(": ") if line.startswith(":") else line.partition(": ") for line in told["headers"])
    return {name.lower(): value for name, colon, value in pairs if colon}
