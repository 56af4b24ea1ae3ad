"""The file itself: all of it inline, and nothing that could turn data into markup."""

import re
import urllib.request
from html.parser import HTMLParser

from checks import check, equal


class Source(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.faults = []
        self.ids = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "srcset", "action", "formaction") or name == "href" and not value.startswith("data:"):
                self.faults.append(f"<{tag} {name}={value!r}> is external")
            if name.startswith("on") or name == "style":
                self.faults.append(f"<{tag} {name}> is an inline attribute")
            if name == "id":
                self.ids.append(value)


@check
def one_file_and_no_markup_from_data(page):
    with urllib.request.urlopen(page.url, timeout=10) as answer:
        text = answer.read().decode("utf-8")
    source = Source(text)
    equal(source.faults, [])
    equal(len(source.ids), len(set(source.ids)))
    unsafe = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|ContextualFragment|eval\(|new Function|@import|url\("
    equal(re.findall(unsafe, text), [])
    equal(page.script("return performance.getEntriesByType('resource').map((entry) => entry.name)"), [])


@check
def console_is_clean(page):
    """Nothing that the page does by itself is an error or against the server's Content-Security-Policy."""
    if page.browser.name == "chromium":
        page.browser.console()
    page.browser.open(page.url)
    page.script(
        "window.faults = []; for (const kind of ['error', 'unhandledrejection', 'securitypolicyviolation'])"
        "  addEventListener(kind, (event) =>"
        "    window.faults.push(`${kind} ${event.message ?? event.reason ?? event.violatedDirective}`));"
    )
    page.connect()
    page.send("hello")
    page.wait_rows(3)
    page.browser.click("#close")
    page.wait_status("Closed")
    equal(page.script("return window.faults"), [])
    if page.browser.name == "chromium":
        equal(page.browser.console(), [])
