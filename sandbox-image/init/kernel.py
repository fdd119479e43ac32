"""What the kernel counts for the container as a whole. In both versions of cgroups."""

GROUP = "/sys/fs/cgroup"


def number_in(paths, field=None):
    """The first of these files that is there: its number, or that of one of its lines."""
    for path in paths:
        try:
            with open(path) as file:
                text = file.read()
        except OSError:
            continue
        if field is None:
            return int(text) if text.strip().isdigit() else None
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name == field:
                return int(value)
    return None


def memory_kills():
    return number_in([f"{GROUP}/memory.events", f"{GROUP}/memory/memory.oom_control"], "oom_kill") or 0


def process_refusals():
    return number_in([f"{GROUP}/pids.events", f"{GROUP}/pids/pids.events"], "max") or 0


def counted():
    """Whether the kernel counts the memory and the processes of this container as a whole, and to what end."""
    memory = number_in([f"{GROUP}/memory.max", f"{GROUP}/memory/memory.limit_in_bytes"])
    processes = number_in([f"{GROUP}/pids.max", f"{GROUP}/pids/pids.max"])
    return {"memory": memory is not None and memory < 1 << 60, "processes": processes is not None}
