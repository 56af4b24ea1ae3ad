"""Connecting, text and binary, with compression and without."""

import os

from netlog import HTTP2
from relay import Relay
from scenes import scene

HOP = "return performance.getEntriesByType('navigation')[0].nextHopProtocol"
PHRASE = "The same words over and over again. "


@scene
def connect(stage):
    with Relay(stage.app("plain").url) as relay:
        page = stage.open(relay.url)
        stage.picture("ready")
        hop = page.script(HOP)
        assert hop == ("h2" if stage.version == HTTP2 else "http/1.1"), f"the page came by {hop}"
        before = len(relay.peers)
        stage.connect()
        stage.exchange("Hello")
        more = len(relay.peers) - before
        # By HTTP/2 it is a stream of the connection that brought the page.
        assert (more == 0) == (stage.version == HTTP2), f"{more} more TCP connections for a WebSocket by {stage.version}"
        stage.picture("connected")


@scene
def close_and_reconnect(stage):
    page = stage.open(stage.app("plain").url)
    stage.connect()
    stage.exchange("before")
    page.browser.click("#close")
    page.wait_status("Closed")
    row = stage.closing_row("closed")
    assert "code 1000" in row and "Closing from client" in row and ", clean" in row, row
    stage.picture("closed-by-the-page")
    stage.connect_again()
    stage.exchange("after")
    stage.picture("reconnected")


@scene
def messages(stage):
    converse(stage, "plain", compressed=False)


@scene
def messages_compressed(stage):
    converse(stage, "compression", compressed=True)


def converse(stage, kind, compressed):
    """What the page shows is the same with compression and without; what passes through the network tells."""
    name = "with-compression" if compressed else "without-compression"
    with Relay(stage.app(kind).url) as relay:
        page = stage.open(relay.url)
        stage.connect(compressed=compressed)
        opened = page.rows_once(bool)[0]["data"]
        assert ("permessage-deflate" in opened) == compressed, opened
        for text in ("Hello", "Grüße, привет, γειά, שלום", "two\nlines", PHRASE * 7):
            stage.exchange(text.strip())
        stage.picture(f"text-{name}")

        relay.to_server.clear()
        relay.from_server.clear()
        page.send(PHRASE * 3000)
        page.rows_once(lambda rows: rows[-1]["look"] == "received" and "108,000 bytes" in rows[-1]["note"])
        for way, counted in (("to the server", relay.to_server), ("from it", relay.from_server)):
            short = sum(counted) < len(PHRASE) * 300
            assert short == compressed, f"{sum(counted)} bytes passed {way} for {len(PHRASE) * 3000}"

        page.browser.click("#clear")
        page.choose("hex")
        page.set("hex", "00 01 02 fd fe ff")
        page.browser.click("#send")
        page.wait_rows(2)
        page.choose("file")
        path = os.path.join(page.directory, "sample.bin")
        with open(path, "wb") as file:
            file.write(bytes(range(256)) * 400)
        page.browser.type("#file", path)
        page.browser.click("#send")
        rows = page.wait_rows(4)
        shown = [(row["cells"][1], row["data"][:17], row["note"]) for row in rows]
        hex_row, file_row = ("00 01 02 fd fe ff", "binary, 6 bytes"), ("00 01 02 03 04 05", "binary, 102,400 bytes in all")
        assert shown == [(who, *what) for what in (hex_row, file_row) for who in ("Client", "Server")], shown
        stage.picture(f"binary-{name}")
