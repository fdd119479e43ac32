"""The loop of pid 1: orders in, answers and channels out."""

import fcntl
import os
import select
import signal
import stat
import time

from disk import LOOK_EVERY, Disk
from door import Door
from guard import PR_SET_DUMPABLE, install_filter, prctl, standing
from kernel import memory_kills, process_refusals
from link import COUNT, CREDIT, DATA, END, PART, PIECE, RESET, STDERR, STDOUT, UPLOAD, WORD, Link
from options import OPTIONS, WORKSPACE
from output import Output
from program import kill_all, reap, start

# What a program reads it cannot rewrite.
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Wall:
    def __init__(self, link, wake):
        self.link = link
        self.wake = wake
        self.orders = {"place": self.place, "door": self.open_door, "run": self.run, "finish": self.finish}
        self.outputs = (Output(link, STDOUT), Output(link, STDERR))
        self.door = Door(link)
        self.taking = None
        self.running = None
        self.exit_code = None
        self.left_to_carry = [0, 0]
        self.finishing = False
        self.disk = None
        self.kills = self.refusals = 0
        self.looked_at = 0.0

    def hear(self, kind, channel, payload):
        if kind in (WORD, PART):
            word = self.link.word(kind, payload)
            if word is not None:
                self.orders[word["order"]](word)
        elif channel in (STDOUT, STDERR) and kind == CREDIT:
            self.outputs[channel - STDOUT].room += COUNT.unpack(payload)[0]
        elif channel == UPLOAD and kind == DATA:
            self.link.credit(UPLOAD, len(payload))
            self.take(payload)
        elif channel in self.door.connections:
            connection = self.door.connections[channel]
            if kind == DATA:
                connection.hear(payload)
            elif kind == END:
                connection.hear_end()
            elif kind == CREDIT:
                connection.room += COUNT.unpack(payload)[0]
            elif kind == RESET:
                connection.close()

    def place(self, order):
        path = os.path.join(WORKSPACE, order["path"])
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            fd = os.open(path, flags, 0o600)
        except OSError as error:
            return self.link.say(answer="failed", reason=f"{error.strerror}.")

        def placed():
            os.fchmod(fd, order["mode"] & 0o777)
            os.close(fd)
            self.link.say(answer="done")

        self.expect(fd, order["bytes"], placed)

    def run(self, order):
        stdin = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)

        def begin():
            fcntl.fcntl(stdin, fcntl.F_ADD_SEALS, SEALS)
            # Opened anew, so that it is read from its beginning.
            reading = os.open(f"/proc/self/fd/{stdin}", os.O_RDONLY | os.O_CLOEXEC)
            os.close(stdin)
            if order["disk"] and not self.disk:
                self.disk = Disk(*order["disk"])
                self.looked_at = time.monotonic()
            self.kills, self.refusals = memory_kills(), process_refusals()
            self.exit_code = None
            try:
                self.running = start(order, reading, self.outputs)
            except OSError as error:
                self.link.say(answer="failed", reason=f"The program could not be started: {error}.")
            finally:
                os.close(reading)

        self.expect(stdin, order["bytes"], begin)

    def expect(self, fd, size, then):
        self.taking = [fd, size, then]
        self.take(b"")

    def take(self, payload):
        """What is still on its way after `finish` is nobody's."""
        taking = self.taking
        if taking is None:
            return
        view = memoryview(payload)
        try:
            while view:
                view = view[os.write(taking[0], view) :]
        except OSError as error:
            self.give_up_taking()
            return self.link.say(answer="failed", reason=f"What was sent could not be written: {error.strerror}.")
        taking[1] -= len(payload)
        if taking[1] == 0:
            self.taking = None
            taking[2]()

    def give_up_taking(self):
        if self.taking is not None:
            os.close(self.taking[0])
            self.taking = None

    def open_door(self, order):
        self.door.open(order["port"])
        self.link.say(answer="done")

    def finish(self, _order):
        self.running = self.exit_code = self.disk = None
        self.give_up_taking()
        kill_all()
        self.door.close()
        for output in self.outputs:
            output.shut()
        self.finishing = True

    def look(self):
        codes = reap()
        if self.running in codes:
            self.exit_code = codes[self.running]
            self.running = None
            # What the program itself has printed is in the pipes by now; what others go on printing is not waited for.
            self.left_to_carry = [output.waiting() for output in self.outputs]
        if self.exit_code is not None and self.carry_rest():
            self.look_at_processes()
            kills = memory_kills() - self.kills
            self.link.say(answer="ended", exitCode=self.exit_code, memoryKills=kills)
            self.exit_code = None
        if self.finishing and all(output.fd is None for output in self.outputs):
            self.finishing = False
            self.link.say(answer="finished", outputIsEmpty=output_is_empty())
        if self.disk and time.monotonic() >= self.looked_at + (0 if self.disk.measuring else LOOK_EVERY):
            self.looked_at = time.monotonic()
            self.look_at_processes()
            if self.disk.is_over():
                self.disk = None
                self.link.say(news="disk_limit")

    def look_at_processes(self):
        refusals = process_refusals()
        if refusals > self.refusals:
            self.refusals = refusals
            self.link.say(news="process_limit")

    def carry_rest(self):
        for index, output in enumerate(self.outputs):
            while self.left_to_carry[index] > 0 and output.room > 0:
                carried = output.carry()
                self.left_to_carry[index] = self.left_to_carry[index] - carried if carried else 0
        return self.left_to_carry == [0, 0]

    def sources(self):
        return [*self.outputs, self.door, *self.door.connections.values()]

    def turn(self):
        poller = select.poll()
        poller.register(0, select.POLLIN)
        poller.register(self.wake, select.POLLIN)
        carriers = {}
        for source in self.sources():
            events = source.wants()
            if events:
                carriers[source.fd] = source
                poller.register(source.fd, events)
        for fd, events in poller.poll(self.patience()):
            if fd == 0:
                for frame in self.link.frames():
                    self.hear(*frame)
            elif fd == self.wake:
                os.read(self.wake, PIECE)
            elif carriers[fd].fd == fd:
                carriers[fd].carry(events)
        self.look()

    def patience(self):
        """Milliseconds until something must be looked at though nothing has happened."""
        if not self.disk:
            return None
        return 0 if self.disk.measuring else LOOK_EVERY * 1000


def output_is_empty():
    """Gone, a link and something else count as empty; what is shut has to be looked at."""
    path = os.path.join(WORKSPACE, "output")
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return True
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
    except OSError:
        return False


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    os.umask(0o022)
    os.makedirs(OPTIONS["home"], 0o700, exist_ok=True)
    os.makedirs(os.path.join(WORKSPACE, "output"), 0o755, exist_ok=True)
    install_filter()
    facts = standing()
    prctl(PR_SET_DUMPABLE, 0)
    link = Link()
    link.say(answer="ready", **facts)
    wall = Wall(link, wake)
    while True:
        wall.turn()


main()
