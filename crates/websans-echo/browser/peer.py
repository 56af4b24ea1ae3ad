"""A WebSocket server that follows a script, for what an echo cannot be asked to do: stay silent, be slow, close oddly."""

import base64
import hashlib
import socket
import struct
import threading

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8


class Peer:
    """Listens on a free loopback port; `script(connection)` runs for each connection, then the connection is dropped."""

    def __init__(self, script):
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/scripted"
        self.leave = threading.Event()
        self._sockets = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.leave.set()
        self._listener.close()
        for connected in self._sockets:
            hang_up(connected)

    def _accept(self):
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connected)
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected):
        try:
            self._script(Connection(connected, self.leave))
        except (OSError, EOFError):
            pass  # the browser has gone, or the check is over
        finally:
            hang_up(connected)


class Connection:
    def __init__(self, connected, leave):
        self._file = connected.makefile("rwb")
        self._leave = leave

    def idle(self):
        """Says nothing more until the check is over."""
        self._leave.wait()

    def accept(self):
        """Reads the opening handshake and agrees to it, without extensions."""
        key = None
        self._file.readline()
        for line in iter(self._file.readline, b"\r\n"):
            if not line:
                raise EOFError
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"sec-websocket-key":
                key = value.strip()
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self._file.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        self._file.flush()

    def receive(self):
        """The opcode and the payload of the next frame."""
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._read(8))
        key = self._read(4)
        return first & 0x0F, bytes(byte ^ key[i % 4] for i, byte in enumerate(self._read(length)))

    def send(self, opcode, payload):
        assert len(payload) < 126
        self._file.write(bytes([0x80 | opcode, len(payload)]) + payload)
        self._file.flush()

    def _read(self, count):
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data


def hang_up(connected):
    try:
        connected.shutdown(socket.SHUT_RDWR)  # close() alone leaves it to the last file object
    except OSError:
        pass  # it was closed already
    connected.close()


def close_payload(code, reason):
    return struct.pack(">H", code) + reason.encode()
