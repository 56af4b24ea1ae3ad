#!/usr/bin/env python3
"""The Python package websockets as the echo server that crates/websans-testkit/conformance/README.md describes, once for
each profile that it has settings for.
"""

import asyncio
import logging

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

# The scenarios break the rules on purpose; what comes of it is on the wire.
logging.getLogger("websockets").addHandler(logging.NullHandler())
logging.getLogger("websockets").propagate = False

FORGETFUL = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
PROFILES = {
    "plain": {"compression": None},
    "limits": {"compression": None, "max_size": 4096},
    "protocols": {"compression": None, "subprotocols": ["chat", "superchat"], "select_subprotocol": lambda _, offered: choose(offered)},
    "deflate": {"extensions": [ServerPerMessageDeflateFactory()], "compression": None},
    "deflate-forgetful": {"extensions": [FORGETFUL], "compression": None},
    "deflate-limits": {"extensions": [ServerPerMessageDeflateFactory()], "compression": None, "max_size": 4096},
    "handshake-timer": {"compression": None, "open_timeout": 0.4},
    "close-timer": {"compression": None, "close_timeout": 0.4},
    "keepalive": {"compression": None, "ping_interval": 0.4, "ping_timeout": 0.4},
}


def choose(offered):
    return next((name for name in ("chat", "superchat") if name in offered), None)


async def obey(socket, order):
    name, _, rest = order.partition(" ")
    if name == "close":
        code, _, reason = rest.partition(" ")
        await socket.close(int(code), reason)
    elif name == "ping":
        await socket.ping(rest)
    elif name == "send":
        await socket.send(rest)


async def echo(socket):
    try:
        async for message in socket:
            if isinstance(message, str) and message.startswith("app:"):
                await obey(socket, message[4:])
            else:
                await socket.send(message)
    except ConnectionClosed:
        pass


async def main():
    servers = []
    for name, options in PROFILES.items():
        options = {"ping_interval": None, **options}
        server = await serve(echo, "127.0.0.1", 0, **options)
        servers.append((f"{name}=127.0.0.1:{server.sockets[0].getsockname()[1]}", server))
    print("servers", *(address for address, _ in servers), flush=True)
    await asyncio.Future()


asyncio.run(main())
