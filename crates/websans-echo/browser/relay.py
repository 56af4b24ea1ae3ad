"""A TCP relay that counts what passes, and that can lose its link: then nothing passes, and neither end is told."""

import socket
import struct
import threading
from urllib.parse import urlsplit


class Relay:
    """Listens on a free loopback port and passes every connection on to the server of a URL.

    TCP repeats what a link has swallowed. So after a cut nothing has gone lost but time: what was sent meanwhile arrives when
    the link is back, an end or a reset of the other side included.
    """

    def __init__(self, url):
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.to_server, self.from_server = [], []  # the lengths of what was read
        self.peers = []  # this end of each connection to the server, as the server names it
        self._sockets = []
        self._flowing = threading.Event()
        self._flowing.set()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.restore()
        for connected in self._sockets:
            hang_up(connected)

    def cut(self):
        """From now on nothing passes, not even that a connection has ended; all sockets stay open."""
        self._flowing.clear()

    def restore(self):
        self._flowing.set()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                self._flowing.wait()
                server = socket.create_connection(self._server)
            except ConnectionRefusedError:
                client.close()
                continue
            except OSError:
                return
            for connected in (client, server):
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            self.peers.append("{}:{}".format(*server.getsockname()))
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client, server):
        back = threading.Thread(target=self._pump, args=(server, client, self.from_server), daemon=True)
        back.start()
        self._pump(client, server, self.to_server)
        back.join()
        client.close()
        server.close()

    def _pump(self, source, target, counted):
        try:
            while data := source.recv(65536):
                self._flowing.wait()
                counted.append(len(data))
                target.sendall(data)
            self._flowing.wait()
            target.shutdown(socket.SHUT_WR)
        except ConnectionResetError:
            self._flowing.wait()
            pass_on_reset(target)
        except OSError:
            pass  # one of the ends has gone


def pass_on_reset(target):
    """Has the coming close() reset the connection, and wakes who still reads from it."""
    try:
        target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        target.shutdown(socket.SHUT_RD)
    except OSError:
        pass  # it has gone as well


def hang_up(connected):
    try:
        connected.shutdown(socket.SHUT_RDWR)  # wakes the threads that read from it, which close it
    except OSError:
        pass  # it was closed already
