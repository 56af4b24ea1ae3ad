#!/usr/bin/env python3
"""The Python package websockets.   peer.py server|client DIRECTORY

DIRECTORY has the certificates.  Everything else is told in tasks: see ../README.md.
"""

import asyncio
import hashlib
import json
import ssl
import sys
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

LARGEST = 64 << 20


def say(value):
    print(json.dumps(value), flush=True)


class Observed:
    """Part of a connection: keeps the control frames and counts those with data."""

    def process_event(self, event):
        if isinstance(event, Frame):
            if not hasattr(self, "pings"):
                self.pings, self.pongs, self.frames = [], [], 0
            if event.opcode is Opcode.PING:
                self.pings.append(bytes(event.data).hex())
            elif event.opcode is Opcode.PONG:
                self.pongs.append(bytes(event.data).hex())
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self.frames += 1
        super().process_event(event)


class ObservedServer(Observed, ServerConnection):
    pass


class ObservedClient(Observed, ClientConnection):
    pass


def new_record(task):
    keys = "protocol deflate frames pings pongs latency close status body error"
    return {"id": task["id"], "opened": False, "messages": [], **dict.fromkeys(keys.split())}


async def attend(socket, task, record):
    """Does the task on an open connection, until its end."""
    record["opened"] = True
    record["protocol"] = socket.subprotocol
    record["deflate"] = agreed(socket)
    try:
        if "ping" in task:
            pong = await socket.ping(bytes.fromhex(task["ping"]))
            record["latency"] = 1000 * await asyncio.wait_for(pong, 10)
            await socket.send("pong")
        if task.get("close"):
            await close(socket, task["close"])
        if task.get("abort"):
            socket.transport.abort()
        async for message in socket:
            note(record, message)
            if task.get("fragment"):
                await socket.send(pieces(socket, message, task))
            else:
                await socket.send(message)
    except ConnectionClosed:
        pass
    finally:
        await socket.wait_closed()
        record["close"] = {"code": socket.close_code, "reason": socket.close_reason}
        for name in ("frames", "pings", "pongs"):
            record[name] = getattr(socket, name, 0 if name == "frames" else [])


async def close(socket, close):
    if close["code"] is not None:
        await socket.close(close["code"], close["reason"])
        return
    # close() cannot leave the code out; the layer below can.
    async with socket.send_context():
        socket.protocol.send_close()


def note(record, message):
    kind = "text" if isinstance(message, str) else "binary"
    data = message.encode() if kind == "text" else message
    digest = hashlib.sha1(data).hexdigest()
    record["messages"].append({"kind": kind, "length": len(data), "sha1": digest})


async def pieces(socket, message, task):
    """The message in pieces, each a fragment, with a Ping behind the first of several."""
    size = task["fragment"]
    for at in range(0, max(len(message), 1), size):
        yield message[at : at + size]
        if at == 0 and size < len(message) and "between" in task:
            await socket.ping(bytes.fromhex(task["between"]))


def agreed(socket):
    """What this side takes permessage-deflate to be agreed on; it is the only extension."""
    for extension in socket.protocol.extensions:
        ours, theirs = ("server", "client") if isinstance(socket, ServerConnection) else ("client", "server")
        return {
            f"{ours}_no_context_takeover": extension.local_no_context_takeover,
            f"{theirs}_no_context_takeover": extension.remote_no_context_takeover,
            f"{ours}_max_window_bits": extension.local_max_window_bits,
            f"{theirs}_max_window_bits": extension.remote_max_window_bits,
        }
    return None


def task_of(path):
    """The task that a client put into its request: /HEX, the hex digits being those of JSON."""
    return json.loads(bytes.fromhex(path[1:]))


async def run_server(directory):
    async def handle(socket):
        task = task_of(socket.request.path)
        record = new_record(task)
        await attend(socket, task, record)
        say(record)

    def judge(socket, request):
        task = task_of(request.path)
        if "deflate" in task:
            socket.protocol.available_extensions = [ServerPerMessageDeflateFactory(**task["deflate"])]
        if task.get("refuse"):
            say(dict(new_record(task), status=task["refuse"]))
            return socket.respond(task["refuse"], "go away\n")

    def choose(socket, offered):
        choice = task_of(socket.request.path).get("choose")
        return choice if choice in offered else None

    listening, servers = {}, []
    for name in ("plain", "tls", "wrong", "unknown"):
        context = None
        if name != "plain":
            certificate = directory / {"tls": "localhost.pem"}.get(name, f"{name}.pem")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server = await serve(
            handle,
            "127.0.0.1",
            0,
            ssl=context,
            compression=None,
            process_request=judge,
            select_subprotocol=choose,
            max_size=LARGEST,
            create_connection=ObservedServer,
        )
        servers.append(server)
        listening[name] = server.sockets[0].getsockname()[1]
    say({"listening": listening})
    await each_task(None)


async def run_client(directory):
    context = ssl.create_default_context(cafile=directory / "ca.pem")

    async def handle(task):
        record = new_record(task)
        options = {"ssl": context} if task["url"].startswith("wss:") else {}
        # Otherwise the offer is the package's own, which our side then declines.
        if "deflate" in task:
            options["extensions"] = [ClientPerMessageDeflateFactory(**task["deflate"])]
        try:
            socket = await connect(
                task["url"],
                subprotocols=task["protocols"] or None,
                max_size=LARGEST,
                create_connection=ObservedClient,
                proxy=None,
                **options,
            )
            await attend(socket, task, record)
        except InvalidStatus as error:
            record["status"] = error.response.status_code
            record["body"] = error.response.body.decode()
        except Exception as error:
            record["error"] = f"{type(error).__name__}: {error}"
        say(record)

    await each_task(handle)


async def each_task(handle):
    """Starts `handle` with each task on standard input.

    The peer ends with its input, so it never outlives the runner.
    """
    loop = asyncio.get_running_loop()
    running = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(handle(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


def main():
    role, directory = sys.argv[1], Path(sys.argv[2])
    asyncio.run(run_server(directory) if role == "server" else run_client(directory))


if __name__ == "__main__":
    main()
