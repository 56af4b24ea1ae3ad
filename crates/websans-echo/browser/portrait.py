"""Pictures of the page in use, for the eye to judge what no check can."""

import time

DESKTOP, PHONE = (1280, 800), (390, 780)


class Portraits:
    """What the pictures are listed under."""

    name = "page"

    def __str__(self):
        return "The page"


def portray(page, pictures):
    for name, dark, size, show in (
        ("desktop-ready", False, DESKTOP, None),
        ("desktop-light", False, DESKTOP, None),
        ("desktop-dark", True, DESKTOP, None),
        ("phone-ready", False, PHONE, None),
        ("phone-light", False, PHONE, None),
        ("phone-log", False, PHONE, ".journal"),
        ("phone-dark", True, PHONE, ".journal"),
    ):
        page.load()
        page.browser.prefer(dark=dark)
        page.browser.resize(*size, phone=size is PHONE)
        if not name.endswith("ready"):
            converse(page)
        if show:
            page.script("document.querySelector(arguments[0]).scrollIntoView({ block: 'end' })", show)
        time.sleep(0.5)  # the colours of controls change over a moment
        pictures.take(page.browser, PORTRAITS, name)


PORTRAITS = Portraits()


def converse(page):
    """A little of everything, the ends of connections included."""
    page.connect()
    texts = ("A longer sentence shows how a row wraps. " * 8, "Hello, world!", "<b>Grüße</b>, שלום 👋")
    for count, text in enumerate(texts):
        page.send(text)
        page.wait_rows(3 + 2 * count)
    page.choose("hex")
    for count, text in enumerate(("48 65 6c 6c 6f", "00 01 02 03 fe ff" * 40)):
        page.set("hex", text)
        page.browser.click("#send")
        page.wait_rows(9 + 2 * count)
    page.browser.click("#close")
    page.wait_rows(12)
    page.connect(page.default_url().replace("/ws", "/nowhere"), until="Closed")
    page.wait_rows(13)
    page.connect(page.default_url())
    page.choose("text")
    page.send("Hello again")
    page.wait_rows(16)
    page.choose("hex")
    page.set("hex", "48 6x")
    page.browser.click("#send")
