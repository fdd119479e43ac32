"""The look at the workspace's disk, from the one place where nothing that runs can mislead it."""

import os
import stat
import time

from options import WORKSPACE

FLOOR_BYTES, FLOOR_FILES = 1024**3, 20_000
LOOK_EVERY = 0.1
MEASURE_AFTER = 10
REST_FACTOR = 4
SLICE = 0.002
DESCRIPTORS = 20_000
# Folders take room too: one file as large as a file may be is not over the limit.
SLACK = 64 * 1024
# Below what this process may have open.
DEPTH = 3500


class Disk:
    """
    Looks whether the workspace outgrows its limits. It is measured only when that can have happened, which is after the
    whole disk has lost what was left of the limit, and in slices, so that nothing else waits for it.
    """

    def __init__(self, limit_bytes, limit_files):
        self.limits = (limit_bytes + SLACK, limit_files)
        self.start = self.free = self.free_now()
        self.lost = [0, 0]
        self.used = (0, 0)
        # What was placed before the program began counts: the first look measures.
        self.measured_at = float("-inf")
        self.rest_until = 0.0
        self.measuring = None
        self.measuring_since = 0.0

    @staticmethod
    def free_now():
        disk = os.statvfs(WORKSPACE)
        return (disk.f_bavail * disk.f_frsize, disk.f_favail if disk.f_files else 1 << 62)

    def is_over(self):
        if self.measuring is None and self.has_room():
            return False
        return self.below_floor() or self.measure()

    def has_room(self):
        free = self.free_now()
        for kind in (0, 1):
            self.lost[kind] += max(0, self.free[kind] - free[kind])
        self.free = free
        now = time.monotonic()
        if self.below_floor():
            return False
        if now < self.rest_until:
            return True
        can_be_over = any(self.lost[kind] >= self.limits[kind] - self.used[kind] for kind in (0, 1))
        return not can_be_over and now - self.measured_at < MEASURE_AFTER

    def below_floor(self):
        floors = (min(FLOOR_BYTES, self.start[0] / 2), min(FLOOR_FILES, self.start[1] / 2))
        return any(self.free[kind] < floors[kind] for kind in (0, 1))

    def measure(self):
        if self.measuring is None:
            self.lost = [0, 0]
            self.measuring_since = time.monotonic()
            self.measuring = measured()
        until = time.monotonic() + SLICE
        try:
            for used in self.measuring:
                self.used = used
                if time.monotonic() > until:
                    return False
        except TooDeep:
            return True
        self.measuring = None
        self.measured_at = time.monotonic()
        self.rest_until = self.measured_at + REST_FACTOR * (self.measured_at - self.measuring_since)
        return any(self.used[kind] > self.limits[kind] for kind in (0, 1))


def measured():
    """Yields bytes and files of the workspace as far as they are counted; the last pair is all."""
    space = os.stat(WORKSPACE).st_dev
    total = [0, 0]
    seen = set()

    def count(entry):
        if entry.st_dev != space or (entry.st_nlink > 1 and not stat.S_ISDIR(entry.st_mode) and entry.st_ino in seen):
            return
        if entry.st_nlink > 1:
            seen.add(entry.st_ino)
        total[0] += entry.st_blocks * 512
        total[1] += 1

    for entry in entries_below(WORKSPACE):
        count(entry)
        yield tuple(total)
    for entry in deleted_but_open():
        if entry.st_dev == space and entry.st_ino not in seen:
            seen.add(entry.st_ino)
            total[0] += entry.st_blocks * 512
        yield tuple(total)
    yield tuple(total)


class TooDeep(Exception):
    """No program that means well makes so many folders, each in the other."""


def entries_below(folder):
    """By descriptor, so that neither links nor the length of a path hide anything. What is shut is not seen."""
    folders = []
    try:
        enter(folders, folder, None)
        while folders:
            fd, names = folders[-1]
            if not names:
                os.close(fd)
                folders.pop()
                continue
            name = names.pop()
            try:
                entry = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except OSError:
                continue
            yield entry
            if stat.S_ISDIR(entry.st_mode):
                enter(folders, name, fd)
    finally:
        for fd, _ in folders:
            os.close(fd)


def enter(folders, name, inside):
    if len(folders) >= DEPTH:
        raise TooDeep
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=inside)
    except OSError:
        return
    try:
        folders.append((fd, os.listdir(fd)))
    except OSError:
        os.close(fd)


def deleted_but_open():
    looked_at = 0
    for pid in pids():
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            looked_at += 1
            if looked_at > DESCRIPTORS:
                return
            try:
                entry = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if entry.st_nlink == 0 and stat.S_ISREG(entry.st_mode):
                yield entry


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
