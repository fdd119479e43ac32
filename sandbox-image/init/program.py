"""How programs begin and end."""

import os
import resource
import signal
import time

from guard import PR_SET_DUMPABLE, prctl
from options import OPTIONS, WORKSPACE


def start(order, stdin, outputs):
    """The program's pid once it runs; what kept it from running as an OSError, a program that is not there excepted."""
    for output in outputs:
        output.open()
    # A program may have shut its own working directory.
    os.chmod(WORKSPACE, 0o700)
    refused, refusing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            become(order, stdin, outputs)
            execute(order)
        except BaseException as error:
            os.write(refusing, str(error).encode()[:500])
        finally:
            os._exit(125)
    os.close(refusing)
    refusal = os.read(refused, 500).decode()
    os.close(refused)
    if refusal:
        raise OSError(refusal)
    return pid


def become(order, stdin, outputs):
    """The child's way to the program. Nothing of the caller's is in force before the limits are."""
    os.setsid()
    os.dup2(stdin, 0)
    os.dup2(outputs[0].inside, 1)
    os.dup2(outputs[1].inside, 2)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    # Where memory runs out, the program goes and not its pid 1. That file opens for those who can be looked at only.
    prctl(PR_SET_DUMPABLE, 1)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    os.chdir(WORKSPACE)
    limit(order["limits"])


KINDS = {
    "fileBytes": resource.RLIMIT_FSIZE,
    "openFiles": resource.RLIMIT_NOFILE,
    "dataBytes": resource.RLIMIT_DATA,
    "processes": resource.RLIMIT_NPROC,
}


def limit(limits):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in limits.items():
        _, hard = resource.getrlimit(KINDS[name])
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(KINDS[name], (value, value))


def execute(order):
    """Returns never. 127 where there is no such program, 126 where it cannot be executed, as shells do."""
    argv = [os.fsencode(word) for word in order["argv"]]
    env = {os.fsencode(name): os.fsencode(value) for name, value in order["env"].items()}
    name = argv[0]
    folders = [] if b"/" in name else os.fsencode(OPTIONS["path"]).split(b":")
    refusal = None
    for path in [folder + b"/" + name for folder in folders] or [name]:
        try:
            os.execve(path, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refusal = error
    os.write(2, name + (b": not found\n" if refusal is None else b": " + os.fsencode(refusal.strerror) + b"\n"))
    os._exit(127 if refusal is None else 126)


def reap():
    """Exit codes by pid of what has ended, as shells count: 128 and the number of the signal."""
    codes = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes
        if pid == 0:
            return codes
        code = os.waitstatus_to_exitcode(status)
        codes[pid] = code if code >= 0 else 128 - code


def kill_all():
    """Returns when pid 1 is alone."""
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        reap()
        time.sleep(0.001)
