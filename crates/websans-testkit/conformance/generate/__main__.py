#!/usr/bin/env python3
"""Writes the scenario files one directory up, or with --check says whether they are as it would write them.

The files are what counts: they stand for themselves, and README.md says how they are read.  This script is there because
most scenarios come in families, for either role or for many values, which are better written once.
"""

import json
import re
import sys
from pathlib import Path

from closing import closing, ends, timers
from deflate import deflate
from frames import floods, limits, masking, texts
from handshake_client import handshake_client
from handshake_server import handshake_server
from words import FILES

HERE = Path(__file__).parent.parent


def dump(scenario):
    """A scenario with a line for each field and each step."""
    short = lambda value: json.dumps(value, ensure_ascii=True)
    lines = []
    for key, value in scenario.items():
        if key == "steps":
            steps = ",\n".join(f"      {short(step)}" for step in value)
            lines.append(f'    "steps": [\n{steps}\n    ]')
        else:
            lines.append(f'    "{key}": {short(value)}')
    return "  {\n" + ",\n".join(lines) + "\n  }"


def plain(content):
    """Without what zlib has compressed: not every zlib finds the same matches."""
    return re.sub(r'"rsv": 4, "hex": "[0-9a-f]*"|"hex": "[0-9a-f]{20,}"|"hex": "[0-9a-f]*", "rsv": 4|"op": "continuation", "hex": "[0-9a-f]*"', "", content)


def main():
    for family in (handshake_server, handshake_client, masking, limits, floods, closing, ends, timers, texts, deflate):
        family()
    stale = []
    for name, scenarios in FILES.items():
        # Either role has a file of its own.
        for role in ("server", "client"):
            path = HERE / f"{name}-{role}.json"
            content = "[\n" + ",\n".join(dump(one) for one in scenarios if one["role"] == role) + "\n]\n"
            if "--check" not in sys.argv:
                path.write_text(content)
            elif not path.exists() or plain(path.read_text()) != plain(content):
                stale.append(path.name)
    if stale:
        sys.exit(f"not as generate writes them: {', '.join(stale)}")
    if "--check" not in sys.argv:
        print(sum(map(len, FILES.values())), "scenarios")


if __name__ == "__main__":
    main()
