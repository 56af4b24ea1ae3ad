"""Text, binary, what of them a row shows, and the round trip."""

import os
import re
import threading
import time

from checks import check, complaint_at, contains, equal
from driver import ENTER, SHIFT
from peer import TEXT, Peer


@check
def text_by_button(page):
    page.connect()
    page.send("hello")
    rows = page.wait_rows(3)[1:]
    equal([(row["look"], row["cells"][1:]) for row in rows], [
        ("sent", ["Client", "Server", "hello"]),
        ("received", ["Server", "Client", "hello"]),
    ])
    for row in rows:
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d", row["cells"][0]), row["cells"][0]
    headings = page.script("return Array.from(document.querySelectorAll('thead th'), (th) => th.textContent)")
    equal(headings, ["Time", "From", "To", "Data"])


@check
def text_by_enter(page):
    page.connect()
    page.browser.type("#message", "one" + SHIFT + ENTER + SHIFT + "two")
    page.enter("#message")
    equal([row["data"] for row in page.wait_rows(3)[1:]], ["one\ntwo"] * 2)
    page.enter("#message")
    page.wait_rows(5)


@check
def enter_of_an_input_method_does_not_send(page):
    page.connect()
    page.set("message", "かな")
    page.script(
        "document.getElementById('message').dispatchEvent("
        "  new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }));"
    )
    page.send("end")
    rows = page.rows_once(lambda rows: (rows[-1]["look"], rows[-1]["data"]) == ("received", "end"))
    equal(len(rows), 3)


@check
def markup_stays_text(page):
    page.connect()
    hostile = "<img src=x onerror='window.broken=1'><b>&amp;</b><script>window.broken=1</script>"
    page.send(hostile)
    rows = page.wait_rows(3)[1:]
    equal([(row["data"], row["elements"]) for row in rows], [(hostile, 0)] * 2)
    equal(page.script("return window.broken ?? null"), None)


@check
def unicode_text(page):
    page.connect()
    texts = [
        "Grüße, 世界",
        "\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001d11e",  # joined emoji, and beyond U+FFFF
        "עברית \u202eover",  # right to left, and an override that nothing ends
        "e\u0301\0\ufeff\uffff",
    ]
    for text in texts:
        page.send(text)
    rows = page.wait_rows(1 + 2 * len(texts))[1:]
    for look in ("sent", "received"):
        equal([row["data"] for row in rows if row["look"] == look], texts)


@check
def empty_text(page):
    page.connect()
    page.send("")
    equal([(row["data"], row["note"]) for row in page.wait_rows(3)[1:]], [("", "empty text")] * 2)


@check
def long_text_is_shortened(page):
    page.connect()
    page.send("x" * 299 + "😀" + "é" * 70000)
    for row in page.wait_rows(3)[1:]:
        equal(row["data"], "x" * 299 + "…")
        contains(row["note"], "140,303 bytes")
    page.send("\n".join(["line"] * 40))
    for row in page.wait_rows(5)[3:]:
        equal(row["data"], "\n".join(["line"] * 12) + "…")
        contains(row["note"], "199 bytes")
    page.send("y" * 300)
    equal([(row["data"], row["note"]) for row in page.wait_rows(7)[5:]], [("y" * 300, "")] * 2)


# Binary


@check
def binary_by_hex(page):
    page.connect()
    page.choose("hex")
    page.set("hex", " 00 fF7f\n80 ")
    page.browser.click("#send")
    rows = page.wait_rows(3)[1:]
    equal([(row["cells"][1], row["data"], row["note"]) for row in rows], [
        ("Client", "00 ff 7f 80", "binary, 4 bytes"),
        ("Server", "00 ff 7f 80", "binary, 4 bytes"),
    ])
    page.set("hex", "")
    page.enter("#hex")
    equal([(row["data"], row["note"]) for row in page.wait_rows(5)[3:]], [("", "binary, 0 bytes")] * 2)


@check
def invalid_hex_is_refused(page):
    page.connect()
    page.choose("hex")
    for wrong, part in (("4g", "g"), ("0x41", "x"), ("414", "second digit"), ("41 😀", "😀")):
        page.set("hex", wrong)
        page.browser.click("#send")
        complaint_at(page, "hex")
        contains(page.text("#hex-error"), part)
    page.set("hex", "41 42")
    equal(page.text("#hex-error"), "")
    page.browser.click("#send")
    equal(page.wait_rows(3)[1]["data"], "41 42")


@check
def binary_by_file(page):
    path = os.path.join(page.directory, "sample.bin")
    with open(path, "wb") as file:
        file.write(bytes(range(256)) * 400)
    page.connect()
    page.choose("file")
    page.browser.click("#send")
    complaint_at(page, "file")
    equal(page.text("#file-error"), "Choose a file first.")
    page.browser.type("#file", path)
    equal(page.text("#file-error"), "")
    page.browser.click("#send")
    for row in page.wait_rows(3)[1:]:
        equal(row["data"], " ".join(f"{byte:02x}" for byte in range(64)) + " …")
        equal(row["note"], "binary, 102,400 bytes in all")


# Round trip


def milliseconds(shown):
    found = re.fullmatch(r"< 1 ms|([\d.,]+) ms", shown)
    assert found, f"{shown!r} is no time"
    return float((found.group(1) or "0").replace(",", ""))


@check
def round_trip_of_an_echo(page):
    page.connect()
    equal(page.text("#round-trip-time"), "none yet")
    before = time.monotonic()
    page.send("ping")
    page.wait_rows(3)
    elapsed = (time.monotonic() - before) * 1000
    shown = milliseconds(page.text("#round-trip-time"))
    assert shown <= elapsed, f"{shown} ms, but all of it took {elapsed} ms"


@check
def round_trip_of_a_slow_echo(page):
    """Two messages are on their way at once, and the server also speaks unasked."""
    answer, answer_again = threading.Event(), threading.Event()

    def script(connection):
        connection.accept()
        _, first = connection.receive()
        _, second = connection.receive()
        connection.send(TEXT, b"unasked and of another length")
        answer.wait()
        connection.send(TEXT, first)
        answer_again.wait()
        connection.send(TEXT, second)
        connection.idle()

    with Peer(script) as peer:
        page.connect(peer.url)
        page.send("one")
        page.send("seven")
        page.wait_rows(4)
        equal(page.text("#round-trip-time"), "none yet")
        time.sleep(0.3)
        answer.set()
        page.wait_rows(5)
        first = milliseconds(page.text("#round-trip-time"))
        assert 300 <= first < 5000, f"{first} ms"
        time.sleep(0.3)
        answer_again.set()
        page.wait_rows(6)
        second = milliseconds(page.text("#round-trip-time"))
        assert 600 <= second < 5000, f"{second} ms"
