"""Asks a service whether it is ready without waiting for the answer: the supervisor has no threads."""

from __future__ import annotations

import socket

_REQUEST = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Probe:
    """One `GET /health/ready`. Wait until `sock` is readable, then call `read`."""

    def __init__(self, port: int) -> None:
        # The port is bound before the service exists, so this connects at once and the answer comes as soon as the
        # service accepts: no polling while it starts.
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=1)
        self.sock.sendall(_REQUEST)
        self.sock.setblocking(False)
        self._received = b""

    def read(self) -> bool | None:
        """Whether the service is ready; None while the status line is not there yet."""
        try:
            part = self.sock.recv(4096)
        except BlockingIOError:
            return None
        except OSError:
            return False
        self._received += part
        if part and b"\r\n" not in self._received:
            return None
        words = self._received.split(b"\r\n", 1)[0].split()
        return len(words) > 1 and words[1] == b"200"

    def close(self) -> None:
        self.sock.close()
