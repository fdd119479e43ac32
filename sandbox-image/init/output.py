"""What is printed inside, on its way out."""

import fcntl
import os
import select
import struct
import termios

from link import DATA, PIECE, WINDOW


class Output:
    """One stream of everything that runs: a pipe that is read as far as the runner has room."""

    def __init__(self, link, channel):
        self.link = link
        self.channel = channel
        self.room = WINDOW
        self.inside = None
        self.fd = None

    def open(self):
        if self.fd is not None:
            return
        self.fd, self.inside = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.fd, False)

    def wants(self):
        return select.POLLIN if self.fd is not None and self.room > 0 else 0

    def waiting(self):
        """Bytes that were printed and not yet sent."""
        if self.fd is None:
            return 0
        return struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, b"\0\0\0\0"))[0]

    def carry(self, _events=0):
        try:
            chunk = os.read(self.fd, min(PIECE, self.room))
        except BlockingIOError:
            return 0
        if not chunk:
            os.close(self.fd)
            self.fd = None
            return 0
        self.room -= len(chunk)
        self.link.send(DATA, self.channel, chunk)
        return len(chunk)

    def shut(self):
        """Once nothing that could write is alive: reading comes to an end."""
        if self.inside is not None:
            os.close(self.inside)
            self.inside = None
