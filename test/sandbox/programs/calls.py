"""Makes each call of a JSON list [[number, argument, ...], ...] in a child of its own and tells the answers."""
import ctypes, json, os, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def answer(call):
    """The errno, 0 where the call was carried out, or how the child died."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        result = libc.syscall(*[ctypes.c_long(value) for value in call])
        os.write(writer, str(ctypes.get_errno() if result == -1 else 0).encode())
        os._exit(0)
    os.close(writer)
    told = os.read(reader, 10)
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    return int(told) if told else f'signal {os.WTERMSIG(status)}'


print(json.dumps([answer(call) for call in json.loads(sys.argv[1])]))
