#!/usr/bin/env python3
"""Checks the sample app's page in a real browser.

    python3 browser/test.py --url http://127.0.0.1:PORT/ --deflate-url http://127.0.0.1:PORT/
        --takeover-url http://127.0.0.1:PORT/ [--browser chromium|firefox] [--screenshot DIR]

The echo app must run at those URLs: at the second with --deflate, at the third with --deflate-takeover besides. Chromium needs `chromium` and `chromedriver`, which browser/setup.sh installs on Debian;
Firefox needs `firefox-esr` or `firefox`, and `geckodriver`, which `cargo install geckodriver` builds. Each check prints one
line, and the exit status is 1 if any failed, 2 if there was nothing to check. Linux, Python 3.9, the standard library alone.
"""

import argparse
import http.client
import os
import signal
import sys

from checks import CHECKS
from checks import source, connection, messages, compression, log, people  # noqa: F401 (importing registers the checks)
from driver import Browser, Keeper, WebDriverError
from page import Page
from portrait import portray

LIMIT = 300  # seconds for everything


def main():
    parser = argparse.ArgumentParser(description="Checks the sample app's page in a real browser.")
    parser.add_argument("--url", required=True, help="where the echo app serves the page, such as http://127.0.0.1:8080/")
    parser.add_argument("--deflate-url", required=True, help="the same of an app that compresses")
    parser.add_argument("--takeover-url", required=True, help="the same of an app that also keeps contexts")
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument("--screenshot", metavar="DIR", help="also write pictures of the page to this directory")
    options = parser.parse_args()

    keeper = Keeper()
    browser = None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stopped)
    signal.alarm(LIMIT)
    try:
        browser = Browser(options.browser, keeper)
        page = Page(browser, options.url, keeper.directory)
        page.compressing = {"each alone": options.deflate_url, "with takeover": options.takeover_url}
        page.load()
        failed = run(page)
        if options.screenshot:
            os.makedirs(options.screenshot, exist_ok=True)
            portray(page, options.screenshot)
        return 1 if failed else 0
    except (WebDriverError, OSError, http.client.HTTPException) as error:
        print(f"cannot check the page in {options.browser}: {error}", file=sys.stderr)
        return 2
    finally:
        if browser is not None:
            browser.close()
        keeper.close()


def run(page):
    """Runs every check on a page of its own and returns how many failed."""
    failed = 0
    for check in CHECKS:
        try:
            page.load()
            check(page)
            print(f"ok {check.__name__}", flush=True)
        except (AssertionError, WebDriverError) as error:
            failed += 1
            print(f"FAIL {check.__name__}: {' '.join(str(error).split())}", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed", flush=True)
    return failed


def stopped(number, _frame):
    reason = f"not finished after {LIMIT} s" if number == signal.SIGALRM else f"stopped by {signal.Signals(number).name}"
    print(reason, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
