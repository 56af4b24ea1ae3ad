#!/usr/bin/env python3
"""Checks the sample app and its page in a real browser.

    python3 browser/test.py --app target/release/websans-echo [--browser chromium|firefox] [--screenshots DIR] [NAME...]

Starts the app in all the ways it needs. First come the checks of the page. Then every scene is played on every stage: by
HTTP/1.1 in clear text, by HTTP/1.1 with TLS, and by HTTP/2 with TLS, each proved by what Chromium wrote down of its network.
With NAMEs, only the checks, scenes and stages of these names (a stage's scenes with it, a scene on all stages).

Chromium needs `chromium`, `chromedriver` and `openssl`, which browser/setup.sh installs on Debian; Firefox, which plays in
clear text alone, needs `firefox-esr` or `firefox`, and `geckodriver`, which `cargo install geckodriver` builds. Each check
prints one line, and the exit status is 1 if any failed, 2 if there was nothing to check. Linux, Python 3.9, the standard
library alone. As root, links are also cut for real, for which `ip` must be there.
"""

import argparse
import http.client
import os
import signal
import sys
import time

from apps import Apps
from certificate import Certificate
from checks import CHECKS
from driver import Browser, Keeper, WebDriverError
from link import Link, THERE
from netlog import HTTP1, HTTP2
from page import Page
from pictures import Pictures
from portrait import portray
from scenes import SCENES
from stage import Stage

# Importing them registers the checks and the scenes, in this order.
import checks.source, checks.connection, checks.messages, checks.log, checks.people  # noqa: E401
import scenes.messages, scenes.exchange, scenes.endings, scenes.loss  # noqa: E401

LIMIT = 300  # seconds for everything


def main():
    parser = argparse.ArgumentParser(description="Checks the sample app and its page in a real browser.")
    parser.add_argument("--app", required=True, help="the program, such as target/release/websans-echo")
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument("--screenshots", metavar="DIR", help="write pictures of the page to this directory, instead of those there")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a check, a scene or a stage")
    options = parser.parse_args()

    keeper = Keeper()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stopped)
    signal.alarm(LIMIT)
    try:
        return Test(options, keeper).run()
    except (WebDriverError, OSError, http.client.HTTPException) as error:
        print(f"cannot check the page in {options.browser}: {error}", file=sys.stderr)
        return 2
    finally:
        keeper.close()


class Test:
    def __init__(self, options, keeper):
        self._browser = options.browser
        self._names = options.names
        self._keeper = keeper
        self._certificate = Certificate(keeper.directory, THERE)
        self._apps = Apps(os.path.abspath(options.app), keeper, self._certificate)
        self._pictures = Pictures(options.screenshots)
        self._passed = self._failed = 0

    def run(self):
        link = self._link()
        stages = [
            Stage(name, version, tls, self._apps, link, self._pictures)
            for name, version, tls in (
                ("http1", HTTP1, False), ("http2-tls", HTTP2, True), ("http1-tls", HTTP1, True))
        ]
        if self._browser == "firefox":
            self._in_browser((), stages[:1], CHECKS)
        else:
            self._in_browser((), stages[:2], CHECKS)
            # A browser that could speak HTTP/2 would.
            self._in_browser(("--disable-http2",), stages[2:], ())
        print(f"{self._passed} passed, {self._failed} failed")
        index = self._pictures.index()
        if index is not None:
            print(f"pictures are in {self._pictures.directory}: see {index}")
        if self._passed + self._failed == 0:
            print(f"there is nothing of the names {' '.join(self._names)}", file=sys.stderr)
            return 2
        return 1 if self._failed else 0

    def _link(self):
        """A link to cut, where the machine and its user allow for one."""
        try:
            return Link(self._keeper)
        except OSError as error:
            print(f"no real link is cut, only relays: {error}", flush=True)
            return None

    def _in_browser(self, flags, stages, checks):
        """Everything that one browser is good for."""
        checks = [check for check in checks if self._chosen(check.__name__)]
        plays = [
            (stage, scene)
            for stage in stages
            for scene in SCENES
            if self._chosen(stage.name, scene.__name__) and (stage.link is not None or not hasattr(scene, "needs_link"))
        ]
        if not checks and not plays:
            return
        browser = Browser(self._browser, self._keeper, self._certificate.pin, flags)
        try:
            page = Page(browser, self._apps.get("page").url, self._keeper.directory)
            for check in checks:
                self._hold(check.__name__, lambda: self._check(check, page))
            if checks and self._pictures.directory is not None and not self._names:
                portray(page, self._pictures)
            for stage, scene in plays:
                stage.page = page
                self._hold(f"{stage.name} {scene.__name__}", lambda: scene(stage))
        finally:
            browser.close()
        if self._browser == "chromium":
            for stage in dict.fromkeys(stage for stage, _ in plays):
                self._hold(f"{stage.name} by {stage.version}", lambda: stage.as_expected(browser.net_log))

    def _chosen(self, *names):
        return not self._names or any(name in self._names for name in names)

    def _check(self, check, page):
        page.load()
        check(page)

    def _hold(self, name, run):
        """Runs something that must not fail, and says how that went."""
        started = time.monotonic()
        try:
            told = run()
            self._passed += 1
            told = f": {told}" if told else ""
            print(f"ok {name}{told} ({time.monotonic() - started:.1f} s)", flush=True)
        except (AssertionError, WebDriverError) as error:
            self._failed += 1
            print(f"FAIL {name}: {' '.join(str(error).split())}", flush=True)


def stopped(number, _frame):
    reason = f"not finished after {LIMIT} s" if number == signal.SIGALRM else f"stopped by {signal.Signals(number).name}"
    print(reason, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
