"""The page under test: its controls by name, its log as values, and what a check may wait for."""

import time

from driver import ENTER

CONTROLS = ("url", "connect", "close", "message", "send")

READ_ROWS = """
return Array.from(document.querySelectorAll('#rows > tr'), (row) => ({
  look: row.className,
  cells: Array.from(row.cells, (cell) => cell.textContent),
  data: row.querySelector('bdi').textContent,
  note: row.querySelector('.note')?.textContent ?? '',
  elements: row.querySelectorAll('bdi *').length,
}));
"""


class Page:
    def __init__(self, browser, url, directory):
        self.browser = browser
        self.url = url
        self.directory = directory  # for files to send
        self.script = browser.script

    def load(self):
        """A page as new, in the browser's usual circumstances."""
        self.browser.resize(1280, 800)
        self.browser.prefer()
        self.browser.open(self.url)

    # What it shows

    def status(self):
        return self.text("#status")

    def text(self, selector):
        return self.script("return document.querySelector(arguments[0]).textContent", selector)

    def rows(self):
        return self.script(READ_ROWS)

    def enabled(self):
        """The names of the enabled controls; the radio buttons go by one name."""
        names = {name for name in CONTROLS if self.browser.enabled(f"#{name}")}
        modes = {self.browser.enabled(f"input[value={mode}]") for mode in ("text", "hex", "file")}
        assert len(modes) == 1, "the radio buttons are not enabled alike"
        return names | ({"mode"} if modes == {True} else set())

    def default_url(self):
        """What the URL field must hold at first: the echo beside the page."""
        scheme, rest = self.url.split("://", 1)
        return {"http": "ws", "https": "wss"}[scheme] + "://" + rest.split("/")[0] + "/ws"

    # What one does with it

    def connect(self, url=None, until="Open"):
        """Connects to the page's own echo or to another URL, and waits for a state."""
        if url is not None:
            self.set("url", url)
        self.browser.click("#connect")
        self.wait_status(until)
        return self.rows_once(lambda rows: rows)[0]

    def set(self, field, value):
        """Fills a field as typing does; the drivers cannot type characters beyond U+FFFF."""
        self.script(
            "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
            "field.dispatchEvent(new InputEvent('input', { bubbles: true }));",
            field,
            value,
        )

    def choose(self, mode):
        self.browser.click(f"input[value={mode}]")

    def send(self, text):
        self.set("message", text)
        self.browser.click("#send")

    def enter(self, selector):
        self.browser.type(selector, ENTER)

    # Waiting

    def wait(self, what, condition, seconds=10):
        """The first true value of `condition()`."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"no {what} within {seconds} s"
            time.sleep(0.01)

    def wait_status(self, expected):
        self.wait(f"status {expected!r}", lambda: self.status() == expected)

    def rows_once(self, condition):
        """All rows, once they are there and meet a condition."""

        def read():
            rows = self.rows()
            return rows if rows and condition(rows) else None

        return self.wait("such rows in the log", read)

    def wait_rows(self, count):
        """All rows, once there are that many; more than that is a failure."""
        rows = self.rows_once(lambda rows: len(rows) >= count)
        assert len(rows) == count, f"{len(rows)} rows instead of {count}: {rows}"
        return rows
