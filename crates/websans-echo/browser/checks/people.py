"""Who uses the page: by keyboard, by screen reader, in the dark, on a phone."""

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
            "const at = document.activeElement; const ring = getComputedStyle(at.type === 'radio' ? at.nextElementSibling : at);"
            "return [at.id || at.value, ring.outlineStyle, parseFloat(ring.outlineWidth)]"
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
    equal(page.script("return document.querySelectorAll('input, textarea, button, select, [tabindex]').length"), len(expected) + 1)
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
    equal(page.script("return [document.documentElement.lang, document.title !== '', document.querySelectorAll('caption').length]"), ["en", True, 1])


CONTRAST = """
const parse = (color) => {
  const parts = color.match(/[\\d.]+/g).map(Number);
  return color.startsWith('color(srgb') ? [parts[0] * 255, parts[1] * 255, parts[2] * 255, parts[3] ?? 1] : [...parts.slice(0, 3), parts[3] ?? 1];
};
const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color[3] === 1) return color;
    if (color[3] !== 0) throw new Error(`${at.tagName} has a translucent background`);
  }
  return [255, 255, 255, 1];
};
const poor = [];
let measured = 0;
const measure = (name, element, color, against, least) => {
  measured += 1;
  const found = ratio(parse(color), against);
  if (found < least) poor.push(`${name} ${found.toFixed(2)} instead of ${least}`);
};
for (const element of document.querySelectorAll('body *')) {
  if (!element.checkVisibility({ visibilityProperty: true }) || ['SCRIPT', 'TEMPLATE', 'STYLE'].includes(element.tagName)) continue;
  const style = getComputedStyle(element);
  const name = `${element.tagName.toLowerCase()}.${element.id || element.className}`;
  const speaks = Array.from(element.childNodes).some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
  const field = element.matches('.field');
  if (speaks || field) measure(name, element, style.color, ground(element), 4.5);
  if (field && !element.matches(':disabled')) measure(`${name} border`, element, style.borderTopColor, ground(element.parentElement), 3);
  if (field && element.placeholder) measure(`${name} placeholder`, element, getComputedStyle(element, '::placeholder').color, ground(element), 4.5);
}
return [measured, poor];
"""


@check
def contrast(page):
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
            measured, poor = page.script(CONTRAST)
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
        inner, across, small, inside, outer = page.script(
            "const root = document.documentElement; const log = document.getElementById('log');"
            "const controls = Array.from(document.querySelectorAll('input, textarea, button')).filter((c) => c.checkVisibility({ visibilityProperty: true }));"
            "const small = controls.filter((c) => { const r = c.getBoundingClientRect(); return r.height < 44 || r.width < 44; });"
            "return [innerWidth, root.scrollWidth, small.map((c) => c.id || c.value), log.scrollHeight > log.clientHeight && log.scrollWidth <= log.clientWidth,"
            "  log.clientHeight < innerHeight];"
        )
        assert inner <= width, f"the window is {inner} wide instead of {width}"
        assert across <= inner, f"the page is {across} wide in a window {inner} wide"
        equal(small, [])
        assert inside and outer, "the log does not scroll in an area of its own"
    fonts = page.script("return Array.from(document.querySelectorAll('.field'), (f) => parseFloat(getComputedStyle(f).fontSize))")
    assert min(fonts) >= 15, f"fields in {min(fonts)} px"
