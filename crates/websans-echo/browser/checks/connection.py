"""States, which controls each of them enables, and every way in which a connection begins and ends."""

import socket
import threading

from checks import check, complaint_at, contains, equal
from peer import CLOSE, Peer, close_payload

IDLE = {"url", "connect"}
SENDING = {"close", "mode", "message", "send"}


@check
def ready_at_first(page):
    equal(page.status(), "Ready to connect")
    equal(page.enabled(), IDLE)
    equal(page.rows(), [])


@check
def status_in_the_upper_left(page):
    for width in (1280, 360):
        page.browser.resize(width, 740)
        place = page.script("return document.getElementById('status').getBoundingClientRect()")
        assert 0 <= place["left"] < 40 and 0 <= place["top"] < 40, f"{place} in a window {width} wide"


@check
def url_of_the_page_itself(page):
    equal(page.script("return document.getElementById('url').value"), page.default_url())


@check
def connect_opens(page):
    row = page.connect()
    equal(page.enabled(), SENDING)
    equal(row["look"], "opened")
    contains(row["data"], "Connection opened")


@check
def connecting_and_cancel(page):
    with Peer(lambda connection: connection.idle()) as peer:
        page.set("url", peer.url)
        page.browser.click("#connect")
        page.wait_status("Connecting")
        equal(page.enabled(), {"close"})
        page.browser.click("#close")
        page.wait_status("Closed")
    contains(page.wait_rows(1)[0]["data"], "cancelled")
    equal(page.enabled(), IDLE)


@check
def close_sends_code_and_reason(page):
    """Seen by the peer, which keeps its own Close back: until then the state is Closing."""
    received = []

    def script(connection):
        connection.accept()
        received.append(connection.receive())
        connection.idle()

    with Peer(script) as peer:
        page.connect(peer.url)
        page.browser.click("#close")
        page.wait_status("Closing")
        equal(page.enabled(), set())
        page.wait("Close frame", lambda: received)
        equal(received, [(CLOSE, close_payload(1000, "Closing from client"))])
    page.wait_status("Closed")
    contains(page.wait_rows(2)[1]["data"], "code 1006", "not clean")


@check
def close_is_logged(page):
    page.connect()
    page.browser.click("#close")
    page.wait_status("Closed")
    row = page.wait_rows(2)[1]
    equal(row["look"], "closed")
    contains(row["data"], "closed", "1000", "Closing from client", "clean")
    assert "not clean" not in row["data"], row["data"]
    equal(page.enabled(), IDLE)


@check
def connects_again(page):
    page.connect()
    page.send("first")
    page.wait_rows(3)
    page.browser.click("#close")
    page.wait_status("Closed")
    page.browser.click("#connect")
    page.wait_status("Open")
    equal(page.text("#round-trip-time"), "none yet")
    page.wait_rows(5)
    page.send("second")
    equal(page.wait_rows(7)[6]["data"], "second")


@check
def refused_connection(page):
    page.set("url", f"ws://127.0.0.1:{dead_port()}/ws")
    page.browser.click("#connect")
    page.wait_status("Closed")
    row = page.wait_rows(1)[0]
    equal(row["look"], "failed")
    contains(row["data"], "Could not connect")
    equal(page.enabled(), IDLE)


@check
def refused_handshake(page):
    page.set("url", page.default_url().replace("/ws", "/no-such-path"))
    page.browser.click("#connect")
    page.wait_status("Closed")
    contains(page.wait_rows(1)[0]["data"], "Could not connect")


@check
def invalid_urls(page):
    invalid = {
        "": "not a complete URL",
        "no url": "not a complete URL",
        "/ws": "not a complete URL",
        "ws://": "not a complete URL",
        "ws://127.0.0.1:99999/": "not a complete URL",
        "http://127.0.0.1/": "start with ws://",
        "ws://127.0.0.1/ws#part": "fragment (#)",
    }
    for count, (url, complaint) in enumerate(invalid.items(), 1):
        page.set("url", url)
        page.browser.click("#connect")
        row = page.wait_rows(count)[count - 1]
        equal((row["look"], page.status()), ("failed", "Ready to connect"))
        contains(row["data"], "Cannot connect", complaint)
        contains(page.text("#url-error"), complaint)
        complaint_at(page, "url")
    page.set("url", page.default_url())
    equal(page.text("#url-error"), "")
    page.browser.click("#connect")
    page.wait_status("Open")


@check
def server_closes(page):
    """With a reason that looks like markup, and without even a code."""

    def script(connection):
        connection.accept()
        connection.send(CLOSE, payloads.pop())
        connection.receive()

    payloads = [b"", close_payload(4321, "<b>bye</b> 👋")]
    with Peer(script) as peer:
        page.connect(peer.url, until="Closed")
        row = page.wait_rows(2)[1]
        equal((row["look"], row["elements"]), ("closed", 0))
        contains(row["data"], "code 4321,", "reason “<b>bye</b> 👋”", ", clean")
        page.browser.click("#connect")
        row = page.wait_rows(4)[3]
        equal(row["look"], "closed")
        contains(row["data"], "code 1005 (no code received)", "no reason", ", clean")
        equal((page.status(), page.enabled()), ("Closed", IDLE))


@check
def server_hangs_up(page):
    open_here = threading.Event()

    def script(connection):
        connection.accept()
        # A browser that learns of the end together with the beginning may say that it never connected.
        open_here.wait()

    with Peer(script) as peer:
        page.connect(peer.url)
        open_here.set()
        page.wait_status("Closed")
        row = page.wait_rows(2)[1]
        equal(row["look"], "closed failed")
        contains(row["data"], "code 1006 (abnormal closure)", "no reason", "not clean")
        equal(page.enabled(), IDLE)


def dead_port():
    """A loopback port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
