"""A real link that can be cut: the app is in a network namespace of its own, and its cable goes to a switch in another.

Pulling that cable leaves the link of the browser's side up, so that nothing tells either end, as when a distant router dies.
Linux, as root; the addresses are of the range for benchmarks (RFC 2544), which no network routes.
"""

import os
import subprocess

HERE, THERE = "198.18.251.1", "198.18.251.2"


class Link:
    def __init__(self, keeper):
        if os.geteuid() != 0:
            raise PermissionError("only root can make network namespaces")
        self._switch, self._server = (f"{keeper.namespaces}{name}" for name in ("switch", "server"))
        self.prefix = ("ip", "netns", "exec", self._server)
        self.host = THERE
        here = f"ws{keeper.mark[:8]}"
        for line in (
            f"netns add {self._switch}",
            f"netns add {self._server}",
            f"link add {here} type veth peer name near netns {self._switch}",
            f"-n {self._switch} link add far type veth peer name cable netns {self._server}",
            f"-n {self._switch} link add switch type bridge",
            f"-n {self._switch} link set switch up",
            f"-n {self._switch} link set near master switch up",
            f"-n {self._switch} link set far master switch up",
            f"-n {self._server} link set lo up",
            f"-n {self._server} address add {THERE}/30 dev cable",
            f"-n {self._server} link set cable up",
            f"address add {HERE}/30 dev {here}",
            f"link set {here} up",
        ):
            ip(line)

    def cut(self):
        ip(f"-n {self._switch} link set far down")

    def restore(self):
        ip(f"-n {self._switch} link set far up")


def ip(line):
    done = subprocess.run(["ip", *line.split()], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"ip {line} failed: {done.stderr.strip()}")
