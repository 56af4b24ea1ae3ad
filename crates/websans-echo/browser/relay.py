"""A TCP relay that counts what passes: the only place from which one sees how long compressed messages are."""

import socket
import threading
from urllib.parse import urlsplit


class Relay:
    """Listens on a free loopback port and passes every connection on to the server of a URL."""

    def __init__(self, url):
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.to_server, self.from_server = [], []  # the lengths of what was read
        self._sockets = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        for connected in self._sockets:
            connected.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._sockets += [client, server]
            for source, target, counted in ((client, server, self.to_server), (server, client, self.from_server)):
                threading.Thread(target=pump, args=(source, target, counted), daemon=True).start()


def pump(source, target, counted):
    try:
        while data := source.recv(65536):
            counted.append(len(data))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of the ends has gone
