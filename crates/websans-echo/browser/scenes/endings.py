"""Who else ends a connection, or refuses one: the server, its limits, its rules on origins."""

import time

from netlog import HTTP1
from scenes import scene


@scene
def server_closes_and_drops(stage):
    """It does either when asked by a message, and neither costs more than that one WebSocket."""
    page = stage.open(stage.app("plain").url)
    stage.connect()
    page.send("ServerClose")
    page.wait_status("Closed")
    row = stage.closing_row("closed")
    assert "code 1000" in row and "reason “Closing from server”, clean" in row, row
    stage.picture("server-closed")
    stage.connect_again()
    page.send("ServerAbort")
    page.wait_status("Closed")
    row = stage.closing_row("closed failed")
    assert "code 1006 (abnormal closure)" in row and "not clean" in row, row
    stage.picture("server-dropped")
    stage.connect_again()
    stage.exchange("still there")


@scene
def server_goes_and_comes_back(stage):
    app = stage.app("background")
    page = stage.open(app.url)
    stage.connect()
    stage.exchange("as long as you are there")
    app.stop()
    page.wait_status("Closed")
    row = stage.closing_row("closed")
    assert "code 1001 (going away)" in row and ", clean" in row, row
    stage.picture("server-went")
    stage.expect(page.default_url(), version=None)
    page.browser.click("#connect")
    row = stage.closing_row("failed")
    assert "Could not connect" in row, row
    stage.picture("server-is-gone")

    app.start()
    # Browsers open a WebSocket by HTTP/2 only where they have such a connection already, and that has gone with the server.
    stage.connect_again(version=HTTP1)
    stage.exchange("you are back")
    stage.picture("server-is-back")
    stage.open(app.url)
    stage.connect()
    stage.exchange("as before")


@scene
def server_closes_over_a_message(stage):
    page = stage.open(stage.app("strict").url)
    stage.connect()
    page.send("x" * 65537)
    page.wait_status("Closed")
    row = stage.closing_row("closed")
    assert "code 1009 (message too big)" in row and ", clean" in row, row
    stage.picture("message-too-big")


@scene
def refused_origin(stage):
    """A page of one origin tries to connect to the server of another."""

    def refusals():
        return [line for _, line in other.said_since(since) if "refused: 403" in line]

    other = stage.app("strict")
    page = stage.open(other.url)  # by HTTP/2, the refusal has to meet a connection that is there
    other_url = page.default_url()
    page = stage.open(stage.app("plain").url)
    chromium = page.browser.name == "chromium"
    if chromium:
        page.browser.console()
    since = time.monotonic()
    page.set("url", other_url)
    stage.expect(other_url, status=403)
    page.browser.click("#connect")
    page.wait_status("Closed")
    row = stage.closing_row("failed")
    assert f"Could not connect to {other_url} (code 1006)" in row, row
    refused = page.wait("refusal in the server's log", refusals)
    note = f"the page is of {page.url}, the server says “{refused[0]}”"
    if chromium:
        console = " ".join(page.browser.console())
        assert f"WebSocket connection to '{other_url}' failed" in console, f"the console says {console!r}"
        note += f", the console “{console}”"
    stage.picture("origin-refused", note)
