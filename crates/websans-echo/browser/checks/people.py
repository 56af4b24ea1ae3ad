"""Who uses the page: by keyboard, by screen reader, in the dark, on a phone."""

import os
import time

from checks import MANY, check, equal
from driver import ENTER, TAB
from peer import Peer


@check
def focus_follows_the_state(page):
    """All by keyboard: the focus is never lost to a control that has been disabled."""
    page.script("document.getElementById('connect').focus()")
    page.browser.press(ENTER)
    page.wait_status("Open")
    focus = "return document.activeElement.id"
    page.wait("focus on the message", lambda: page.script(focus) == "message")
    page.script("document.getElementById('close').focus()")
    page.browser.press(" ")
    page.wait_status("Closed")
    page.wait("focus on Connect", lambda: page.script(focus) == "connect")


@check
def focus_is_visible(page):
    """From the first enabled control to the last: in the order of the page, each with a ring."""
    page.connect()
    page.browser.press(TAB)  # from here on the browser knows a keyboard user
    page.script("document.getElementById('close').focus()")
    for expected in ("close", "text", "message", "send", "clear", "log"):
        name, style, width = page.script(
            "const at = document.activeElement; const ringed = at.type === 'radio' ? at.nextElementSibling : at;"
            "const { outlineStyle, outlineWidth } = getComputedStyle(ringed);"
            "return [at.id || at.value, outlineStyle, parseFloat(outlineWidth)]"
        )
        equal(name, expected)
        assert style == "solid" and width >= 2, f"{name} has the outline {style} {width}"
        page.browser.press(TAB)


@check
def focus_raises_no_keyboard_on_a_phone(page):
    page.browser.resize(390, 740, phone=True)
    page.connect()
    equal(page.script("return document.activeElement === document.body"), True)


@check
def every_control_has_a_label(page):
    page.connect()
    page.send("hello")
    page.wait_rows(3)
    expected = {
        "#url": "WebSocket URL",
        "#connect": "Connect",
        "#close": "Close Socket",
        "#clear": "Clear",
        "#send": "Send",
        "#message": "Message to send",
        "#hex": "Bytes to send",
        "#file": "File to send",
        "input[value=text]": "Text",
        "input[value=hex]": "Hex",
        "input[value=file]": "File",
    }
    controls = "return document.querySelectorAll('input, textarea, button, select, a, summary').length"
    equal(page.script(controls), len(expected))
    for selector, label in expected.items():
        if selector == "#hex":
            page.choose("hex")
        if selector == "#file":
            page.choose("file")
        found = page.browser.label(selector)
        # To a file's label Firefox adds the text within the control.
        assert found == label or selector == "#file" and found.startswith(label), f"{selector} is labelled {found!r}"
    page.choose("text")


@check
def roles(page):
    page.connect()
    page.send("hello")
    page.wait_rows(3)
    for viewport in (1280, 360):
        page.browser.resize(viewport, 740)
        for selector, role in {
            "header": ("banner",),
            "main": ("main",),
            "#status": ("status",),
            "#log": ("log",),
            "#log table": ("table",),
            "thead tr": ("row",),
            "thead th": ("columnheader",),
            "#rows": ("rowgroup",),
            "#rows tr": ("row",),
            "#rows td": ("cell", "gridcell"),
            "#sending": ("group",),
            ".modes": ("radiogroup",),
            "h1": ("heading",),
        }.items():
            found = page.browser.role(selector)
            assert found in role, f"{selector} is {found!r} instead of {role[0]!r} in a window {viewport} wide"
    equal(page.browser.label("#log"), "Communication Log")
    equal(page.browser.label("#sending"), "Message")
    equal(page.script("return [document.documentElement.lang, document.title]"), ["en", "WebSocket echo"])
    equal(page.browser.role("caption"), "caption")


@check
def contrast(page):
    with open(os.path.join(os.path.dirname(__file__), os.pardir, "contrast.js"), encoding="utf-8") as file:
        measure = file.read()
    for dark in (False, True):
        page.browser.open(page.url)
        page.browser.prefer(dark=dark)
        for stage in ("ready", "open", "hex", "closed", "failed"):
            if stage == "open":
                page.connect()
                page.send("hello")
                page.send("")
                page.wait_rows(5)
            elif stage == "hex":
                page.choose("hex")
                page.set("hex", "4")
                page.browser.click("#send")
            elif stage == "closed":
                page.browser.click("#close")
                page.wait_status("Closed")
                page.wait_rows(6)
            elif stage == "failed":
                page.set("url", "no url")
                page.browser.click("#connect")
                page.wait_rows(7)
            time.sleep(0.2)  # colours of controls change over a moment
            measured, poor = page.script(measure)
            assert measured > 15, f"only {measured} colours were measured"
            assert not poor, f"{'dark' if dark else 'light'}, {stage}: {', '.join(poor)}"


@check
def dark_and_light(page):
    ground = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert min(page.script(ground)) > 200
    page.browser.prefer(dark=True)
    page.wait("dark ground", lambda: max(page.script(ground)) < 60)


@check
def motion_can_be_reduced(page):
    animation = "return getComputedStyle(document.getElementById('status'), '::before').animationName"
    with Peer(lambda connection: connection.idle()) as peer:
        page.set("url", peer.url)
        page.browser.click("#connect")
        page.wait_status("Connecting")
        assert page.script(animation) != "none", "nothing moves that could stop"
        page.browser.prefer(reduced_motion=True)
        page.wait("end of the motion", lambda: page.script(animation) == "none")


@check
def fits_a_phone(page):
    page.connect()
    page.send("unbroken" * 60)
    page.script(MANY, 30, "n")
    page.wait_rows(63)
    page.choose("hex")
    page.set("hex", "00" * 100)
    page.browser.click("#send")
    page.wait_rows(65)
    for width in (320, 390):
        page.browser.resize(width, 740, phone=True)
        seen = page.script(PHONE)
        assert seen["window"] <= width, f"the window is {seen['window']} wide instead of {width}"
        assert seen["page"] <= seen["window"], f"the page is {seen['page']} wide in a window {seen['window']} wide"
        equal((seen["cut"], seen["small"]), (0, []))
        assert seen["scrolls"], "the log does not scroll in an area of its own"
        assert seen["font"] >= 15, f"there is a field in {seen['font']} px"


PHONE = """
const shown = (selector) => Array.from(document.querySelectorAll(selector))
  .filter((element) => element.checkVisibility({ visibilityProperty: true }));
const small = (element) => {
  const { width, height } = element.getBoundingClientRect();
  return width < 44 || height < 44;
};
const log = document.getElementById('log');
return {
  window: innerWidth,
  page: document.documentElement.scrollWidth,
  cut: Array.from(log.querySelectorAll('td')).filter((cell) => cell.scrollWidth > cell.clientWidth).length,
  small: shown('input, textarea, button').filter(small).map((element) => element.id || element.value),
  scrolls: log.clientHeight < innerHeight && log.scrollHeight > log.clientHeight && log.scrollWidth <= log.clientWidth,
  font: Math.min(...shown('.field').map((element) => parseFloat(getComputedStyle(element).fontSize))),
};
"""
