"""The sample app as a process: where it listens, what it says, and its end."""

import re
import signal
import subprocess
import threading
import time


class App:
    """Runs from its construction to the end of the test, or to `stop()`."""

    def __init__(self, program, keeper, options=(), prefix=(), host="127.0.0.1"):
        self._command = [*prefix, program, *options]
        self._keeper = keeper
        self._host = host
        self.said = []  # its lines, each with the time it came at
        self.start(port=0)

    def start(self, port=None):
        """Also again after `stop()`, at the same place."""
        port = self.port if port is None else port
        self._process = subprocess.Popen(
            [*self._command, "--listen", f"{self._host}:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=self._keeper.environment,
            text=True,
        )
        first = self._process.stdout.readline()
        found = re.search(r"(https?)://[\d.]+:(\d+)/", first)
        if not found:
            raise OSError(f"{' '.join(self._command)} did not say where it listens: {first!r}")
        self.url = found.group(0)
        self.port = int(found.group(2))
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def stop(self):
        """Asks it to end as a supervisor does, and waits until it has."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=10)
        assert code == 0, f"the app ended with {code}"

    def _listen(self, output):
        for line in output:
            self.said.append((time.monotonic(), line.rstrip("\n")))

    def said_since(self, when):
        """When it said what, from some time on."""
        return [(at, line) for at, line in list(self.said) if at >= when]
