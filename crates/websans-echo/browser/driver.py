"""A real browser, driven over the W3C WebDriver protocol with the standard library alone (Linux)."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that WebDriver names an element by
ENTER, SHIFT, TAB = "\ue007", "\ue008", "\ue004"


class WebDriverError(Exception):
    """A command that the driver refused, or a driver that does not answer."""


class Keeper:
    """Ends what it started, and removes its files, when this process ends: by return, exception, signal or SIGKILL.

    Browsers leave their driver's process group, and no handler runs on SIGKILL. So a child waits for the end of a pipe that
    only this process holds, then kills every process that inherited a mark in its environment.
    """

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="websans-browser-")
        self.mark = uuid.uuid4().hex
        self.namespaces = f"websans-{self.mark[:8]}-"  # network namespaces whose names begin so are removed as well
        self.environment = dict(os.environ, HOME=self.directory, WEBSANS_BROWSER_TEST=self.mark)
        waiting, self._alive = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.setsid()
                os.close(self._alive)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                signal.alarm(0)
                os.read(waiting, 1)
                self._sweep()
            finally:
                os._exit(0)
        os.close(waiting)

    def close(self):
        """Sweeps now and waits for it; a second call does nothing."""
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None
            os.waitpid(self._child, 0)

    def _sweep(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            marked = list(self._marked())
            if not marked:
                break
            for pid in marked:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        # With its namespace goes a virtual cable's end, and with that the other one.
        for name in filter(lambda name: name.startswith(self.namespaces), list_of("/run/netns")):
            subprocess.run(["ip", "netns", "delete", name], stdin=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _marked(self):
        mark = f"WEBSANS_BROWSER_TEST={self.mark}".encode()
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        yield int(name)
            except OSError:
                pass  # ended meanwhile, or not ours to read


class Browser:
    """One browser session. Elements are named by CSS selector, at the time of each command.

    Chromium writes down what it does on the network, in `net_log`. It accepts the one certificate whose key has the given
    pin, and takes further flags.
    """

    def __init__(self, name, keeper, pin=None, flags=()):
        self.name = name
        self._keeper = keeper
        self._session = None
        self._pin = pin
        self._flags = flags
        self._directory = tempfile.mkdtemp(prefix=f"{name}-", dir=keeper.directory)
        self.net_log = os.path.join(self._directory, "net-log.json")
        start = {"chromium": self._start_chromium, "firefox": self._start_firefox}[name]
        self._port, capabilities = start()
        value = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = value["sessionId"]
        self.version = value["capabilities"]["browserVersion"]

    def close(self):
        """Asks the browser to quit; the keeper ends what does not."""
        if self._session is not None:
            try:
                self._command("DELETE", "")
            except (OSError, http.client.HTTPException, WebDriverError):
                pass
            self._session = None

    # Starting

    def _start_chromium(self):
        flags = (
            "--headless --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1280,800 "
            # A machine without a screen has no mouse either, and says so to the page: claim one that is fine and can hover.
            "--blink-settings=primaryPointerType=4,availablePointerTypes=4,primaryHoverType=2,availableHoverTypes=2"
        ).split()
        flags += [f"--user-data-dir={self._directory}/profile", f"--log-net-log={self.net_log}", *self._flags]
        if self._pin is not None:
            flags.append(f"--ignore-certificate-errors-spki-list={self._pin}")
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # the sandbox refuses to run as root
        port = self._start(["chromedriver", "--port=0"], r"started successfully on port (\d+)")
        options = {"binary": program("chromium"), "args": flags}
        return port, {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}

    def _start_firefox(self):
        arguments = ["geckodriver", "--port=0", f"--profile-root={self._directory}", "--allow-system-access"]
        port = self._start(arguments, r"Listening on 127\.0\.0\.1:(\d+)")
        options = {"binary": program("firefox-esr", "firefox"), "args": ["-headless", "--width=1400", "--height=1000"]}
        return port, {"moz:firefoxOptions": options}

    def _start(self, arguments, announcement):
        """Starts the driver on a port of its own choice and reads that from what it prints."""
        log = os.path.join(self._directory, "driver.log")
        with open(log, "wb") as output:
            driver = subprocess.Popen(
                [program(arguments[0]), *arguments[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._keeper.environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and driver.poll() is None:
            with open(log, encoding="utf-8", errors="replace") as file:
                found = re.search(announcement, file.read())
            if found:
                return int(found.group(1))
            time.sleep(0.05)
        with open(log, encoding="utf-8", errors="replace") as file:
            raise WebDriverError(f"{arguments[0]} did not start: {file.read().strip()}")

    # The protocol

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": "application/json; charset=utf-8"})
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
        finally:
            connection.close()
        if answer.status != 200:
            raise WebDriverError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def _command(self, method, path, body=None):
        return self._call(method, f"/session/{self._session}{path}", body)

    def _element(self, selector, method, path, body=None):
        found = self._command("POST", "/element", {"using": "css selector", "value": selector})
        return self._command(method, f"/element/{found[ELEMENT]}{path}", body)

    # Commands

    def open(self, url):
        self._command("POST", "/url", {"url": url})

    def script(self, source, *arguments):
        """Runs the body of a function in the page and returns its value."""
        return self._command("POST", "/execute/sync", {"script": source, "args": list(arguments)})

    def click(self, selector):
        self._element(selector, "POST", "/click", {})

    def type(self, selector, text):
        self._element(selector, "POST", "/value", {"text": text})

    def press(self, key):
        """One key, to whatever has the focus."""
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._command("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def enabled(self, selector):
        return self._element(selector, "GET", "/enabled")

    def role(self, selector):
        return self._element(selector, "GET", "/computedrole")

    def label(self, selector):
        return self._element(selector, "GET", "/computedlabel")

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._command("GET", "/screenshot")))

    def new_tab(self):
        """Opens a tab in front and returns the handle of the one that was there."""
        before = self._command("GET", "/window")
        created = self._command("POST", "/window/new", {"type": "tab"})
        self._command("POST", "/window", {"handle": created["handle"]})
        return before

    def close_tab(self, back_to):
        self._command("DELETE", "/window")
        self._command("POST", "/window", {"handle": back_to})

    def console(self):
        """What Chromium's console received since the last call."""
        return [entry["message"] for entry in self._command("POST", "/se/log", {"type": "browser"})]

    def resize(self, width, height, phone=False):
        """Gives the page a viewport of that size, with a mouse or, for a phone, with a touch screen."""
        if self.name == "chromium":
            size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
            self._cdp("Emulation.setDeviceMetricsOverride", size)
            self._cdp("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        else:
            # No window of Firefox is as narrow as a phone, but the page's part of it can be.
            self._in_chrome(
                "const [width, height, pointer] = arguments; const { style } = window.gBrowser.selectedBrowser;"
                "style.maxWidth = `${width}px`; style.maxHeight = `${height}px`;"
                "for (const which of ['primary', 'all'])"
                "  Services.prefs.setIntPref(`ui.${which}PointerCapabilities`, pointer);",
                width,
                height,
                1 if phone else 6,  # coarse; fine and able to hover
            )

    def prefer(self, dark=False, reduced_motion=False):
        """Sets what the user would have set: prefers-color-scheme and prefers-reduced-motion."""
        if self.name == "chromium":
            features = {
                "prefers-color-scheme": "dark" if dark else "light",
                "prefers-reduced-motion": "reduce" if reduced_motion else "no-preference",
            }
            features = [{"name": name, "value": value} for name, value in features.items()]
            self._cdp("Emulation.setEmulatedMedia", {"features": features})
        else:
            self._in_chrome(
                "Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', arguments[0] ? 0 : 1);"
                "Services.prefs.setIntPref('ui.prefersReducedMotion', arguments[1] ? 1 : 0);",
                dark,
                reduced_motion,
            )

    def _in_chrome(self, source, *arguments):
        """Runs a script in Firefox's own window instead of the page."""
        self._command("POST", "/moz/context", {"context": "chrome"})
        try:
            return self.script(source, *arguments)
        finally:
            self._command("POST", "/moz/context", {"context": "content"})

    def _cdp(self, command, parameters):
        return self._command("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})


def list_of(directory):
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def program(*names):
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise WebDriverError(f"{' or '.join(names)} is not installed")
