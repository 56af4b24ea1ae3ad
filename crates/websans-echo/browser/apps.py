"""The apps a test needs, each started when it is first asked for."""

from app import App

# The command line of each kind. The page has an app of its own, whose WebSockets are nobody's business. The one that is
# strict is not for all: it would take a busy machine for a lost link.
OPTIONS = {
    "page": (),
    "plain": (),
    "compression": ("--compression",),
    "takeover": ("--compression", "--compression-takeover"),
    "background": ("--background",),
    "strict": ("--keep-alive", "1", "--keep-alive-timeout", "1", "--max-message", "65536"),
}


class Apps:
    def __init__(self, program, keeper, certificate):
        self._program = program
        self._keeper = keeper
        self._tls = ("--tls", certificate.certificate, certificate.key)
        self._running = {}

    def get(self, kind, tls=False, link=None):
        """The one app of that kind, with TLS or without, here or at the other end of a link."""
        key = kind, tls, link
        if key not in self._running:
            options = OPTIONS[kind] + (self._tls if tls else ())
            place = {} if link is None else {"prefix": link.prefix, "host": link.host}
            self._running[key] = App(self._program, self._keeper, options, **place)
        return self._running[key]
