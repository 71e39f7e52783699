"""A server that is a socket and answers one fixed text."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

Answer = Callable[[str | bytes], tuple[str, list[str]]]


@pytest.fixture
def serve() -> Iterator[Answer]:
    """Starts a server that answers every call with one body; gives its address and the calls it got."""
    listeners: list[socket.socket] = []

    def start(body: str | bytes) -> tuple[str, list[str]]:
        content = body.encode() if isinstance(body, str) else body
        head = b"" if content.startswith(b"HTTP/1.1") else b"HTTP/1.1 200 OK\r\n"
        head += b"" if head == b"" else b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(content)
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        got: list[str] = []

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with closing(connection):
                    received = b""
                    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
                        received += connection.recv(65536)
                    got.append(received.decode())
                    connection.sendall(head + content)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}", got

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
