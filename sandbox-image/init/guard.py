"""What pid 1 does to itself, and what it finds, before anything untrusted runs."""

import base64
import ctypes
import os
import socket

from kernel import counted
from options import OPTIONS, WORKSPACE

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_DUMPABLE, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 4, 22, 2


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def prctl(option, *words):
    """Words of the machine's own size: numbers and pointers."""
    if libc.prctl(option, *(ctypes.c_ulong(word) if isinstance(word, int) else word for word in words)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"prctl {option}")


def install_filter():
    """For itself, and so for all that it starts. Needs no privilege where none can be gained."""
    machine = os.uname().machine
    encoded = OPTIONS["filters"].get(machine)
    if encoded is None:
        raise SystemExit(f"no filter of system calls for the processor {machine}")
    program = base64.b64decode(encoded)
    described = Filter(len(program) // 8, program)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.cast(ctypes.byref(described), ctypes.c_void_p))


def standing():
    """What is true here, before anything untrusted has run."""
    with open("/proc/self/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split(" ") for line in file]
    return {
        "pid": os.getpid(),
        "uids": [int(uid) for uid in status["Uid"].split()],
        "groups": [int(group) for group in status["Groups"].split()],
        "capabilities": {name: status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
        "noNewPrivileges": status.get("NoNewPrivs") == "1",
        "isFiltered": status.get("Seccomp") == "2",
        "interfaces": [name for _, name in socket.if_nameindex()],
        "hostname": os.uname().nodename,
        "rootIsReadOnly": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "mounts": [mount[4] for mount in mounts],
        "ownsWorkspace": os.access(WORKSPACE, os.W_OK) and os.stat(WORKSPACE).st_uid == os.getuid(),
        "programs": [path for path in OPTIONS["programs"] if os.access(path, os.X_OK)],
        "counted": counted(),
    }
