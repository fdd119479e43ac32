"""The pair of pipes to the runner: frames as `frames.ts` cuts them, messages and channels."""

import json
import os
import struct

WORD, PART, DATA, END, CREDIT, OPEN, RESET = range(1, 8)
STDOUT, STDERR, UPLOAD, FIRST_CONNECTION = 1, 2, 3, 16
HEADER = struct.Struct(">BII")
COUNT = struct.Struct(">I")
PIECE = 64 * 1024
# What may be on its way on one channel in one direction before the other side has taken it.
WINDOW = 256 * 1024


class Link:
    """Both pipes to the runner. Writing may block: the runner always reads, and grants what it can take."""

    def __init__(self):
        self.came = bytearray()
        self.parts = []
        os.set_blocking(0, False)

    def frames(self):
        """What has come. The end of stdin is the end of the runner, and so of everything here."""
        try:
            chunk = os.read(0, 4 * PIECE)
        except BlockingIOError:
            return
        if not chunk:
            os._exit(0)
        self.came += chunk
        while len(self.came) >= HEADER.size:
            kind, channel, length = HEADER.unpack_from(self.came)
            if len(self.came) < HEADER.size + length:
                return
            payload = bytes(self.came[HEADER.size : HEADER.size + length])
            del self.came[: HEADER.size + length]
            yield kind, channel, payload

    def send(self, kind, channel, payload=b""):
        frame = memoryview(HEADER.pack(kind, channel, len(payload)) + payload)
        while frame:
            frame = frame[os.write(1, frame) :]

    def say(self, **word):
        text = json.dumps(word).encode()
        while len(text) > PIECE:
            self.send(PART, 0, text[:PIECE])
            text = text[PIECE:]
        self.send(WORD, 0, text)

    def credit(self, channel, size):
        self.send(CREDIT, channel, COUNT.pack(size))

    def word(self, kind, payload):
        self.parts.append(payload)
        if kind == PART:
            return None
        text = b"".join(self.parts)
        self.parts = []
        return json.loads(text)
