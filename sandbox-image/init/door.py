"""The only exit: a listener on the loopback whose connections are channels to the gateway."""

import select
import socket

from link import DATA, END, FIRST_CONNECTION, OPEN, PIECE, RESET, WINDOW

CONNECTIONS = 128


class Connection:
    def __init__(self, door, channel, peer):
        self.door = door
        self.channel = channel
        self.peer = peer
        self.fd = peer.fileno()
        self.room = WINDOW
        self.pending = bytearray()
        self.read_to_end = False
        self.told_all = False
        peer.setblocking(False)

    def wants(self):
        reading = select.POLLIN if not self.read_to_end and self.room > 0 else 0
        return reading | (select.POLLOUT if self.pending else 0)

    def carry(self, events):
        try:
            if events & select.POLLOUT:
                self.hand_in()
            if events & ~select.POLLOUT and not self.read_to_end and self.room > 0:
                self.hand_out()
        except BlockingIOError:
            pass
        except OSError:
            self.reset()

    def hand_out(self):
        chunk = self.peer.recv(min(PIECE, self.room))
        if chunk:
            self.room -= len(chunk)
            self.door.link.send(DATA, self.channel, chunk)
            return
        self.read_to_end = True
        self.door.link.send(END, self.channel)
        self.forget_if_done()

    def hand_in(self):
        taken = self.peer.send(self.pending)
        del self.pending[:taken]
        self.door.link.credit(self.channel, taken)
        if self.told_all and not self.pending:
            self.peer.shutdown(socket.SHUT_WR)
            self.forget_if_done()

    def hear(self, payload):
        self.pending += payload
        self.carry(select.POLLOUT)

    def hear_end(self):
        self.told_all = True
        if self.pending:
            return
        try:
            self.peer.shutdown(socket.SHUT_WR)
        except OSError:
            return self.reset()
        self.forget_if_done()

    def forget_if_done(self):
        if self.read_to_end and self.told_all and not self.pending:
            self.close()

    def reset(self):
        self.door.link.send(RESET, self.channel)
        self.close()

    def close(self):
        self.door.connections.pop(self.channel, None)
        self.peer.close()
        self.fd = None


class Door:
    """Listens on the loopback, the only interface there is. Nothing the program can kill, and nothing it can imitate."""

    def __init__(self, link):
        self.link = link
        self.listener = None
        self.next = FIRST_CONNECTION
        self.connections = {}

    def open(self, port):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.listener.setblocking(False)
        self.fd = self.listener.fileno()

    def wants(self):
        return select.POLLIN if self.listener and len(self.connections) < CONNECTIONS else 0

    def carry(self, _events):
        try:
            peer, _ = self.listener.accept()
        except OSError:
            return
        self.connections[self.next] = Connection(self, self.next, peer)
        self.link.send(OPEN, self.next)
        self.next += 1

    def close(self):
        for connection in list(self.connections.values()):
            connection.reset()
        if self.listener:
            self.listener.close()
            self.listener = None
