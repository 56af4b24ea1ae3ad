"""One way for a WebSocket to reach the app: by a version of HTTP, with TLS or without. Scenes are played on it."""

import time

from netlog import HTTP1, HTTP2, web_sockets

OWN = object()  # the version of the stage
AGREED = {HTTP1: 101, HTTP2: 200, None: None}  # the status of an answer that agrees


class Stage:
    def __init__(self, name, version, tls, apps, link, pictures):
        self.name = name
        self.version = version
        self._tls = tls
        self._apps = apps
        self._pictures = pictures
        self.link = link  # a real one to cut, if there can be one
        self.page = None  # once there is a browser
        self._expected = []  # of each WebSocket: its URL, version, status, and whether it compresses

    def __str__(self):
        return f"{self.version} {'with TLS' if self._tls else 'in clear text'}"

    def app(self, kind, link=None):
        return self._apps.get(kind, self._tls, link)

    # What is done with the page

    def open(self, url):
        """Loads the page from there, as new."""
        self.page.url = url
        self.page.load()
        return self.page

    def connect(self, compressed=False):
        """To the page's own echo."""
        self.expect(self.page.default_url(), compressed=compressed)
        self.page.connect()

    def connect_again(self, version=None):
        """With the button, to where the page was connected before."""
        self.expect(self.page.default_url(), version or self.version)
        self.page.browser.click("#connect")
        self.page.wait_status("Open")

    def exchange(self, text):
        """Sends it and waits for the echo, which is then in the last row."""
        self.page.send(text)
        rows = self.page.rows_once(lambda rows: rows[-1]["look"] == "received" and rows[-1]["data"] == text)
        assert (rows[-2]["look"], rows[-2]["data"]) == ("sent", text), rows[-2]

    def closing_row(self, *looks):
        """The last row, once it says how the connection ended; lines enter the log a moment after the status."""
        return self.page.rows_once(lambda rows: rows[-1]["look"] in looks)[-1]["data"]

    def expect(self, url, version=OWN, status=None, compressed=False):
        """Notes what the browser must have noted of the next WebSocket it opens. No version: there is no server."""
        version = self.version if version is OWN else version
        self._expected.append((url, version, status or AGREED[version], compressed))

    # What is looked at later

    def picture(self, name, note=""):
        """A picture of the page as it is now."""
        time.sleep(0.2)  # the colours of controls change over a moment
        self._pictures.take(self.page.browser, self, name, note)

    def as_expected(self, net_log):
        """Holds what the browser wrote down against what was expected; tells how many WebSockets there were of which sort."""
        urls = {url for url, *_ in self._expected}
        noted = []
        for socket in web_sockets(net_log):
            if socket.url in urls:
                assert (socket.compressed > 0) == ("permessage-deflate" in socket.extensions), vars(socket)
                noted.append((socket.url, socket.version, socket.status, socket.compressed > 0))
        for number, (expected, found) in enumerate(zip(self._expected, noted), 1):
            assert found == expected, f"WebSocket {number} is {found} instead of {expected}"
        assert len(noted) == len(self._expected), f"{len(noted)} WebSockets instead of {len(self._expected)}"
        versions = [version or "none for want of a server" for _, version, *_ in noted]
        counted = ", ".join(f"{versions.count(version)} by {version}" for version in sorted(set(versions)))
        return f"{len(noted)} WebSockets, {counted}"
