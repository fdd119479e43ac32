"""Reads whatever can be read from here and tells every canary it meets, and where."""
import glob, json, os, re, sys

CANARY = re.compile(rb'runyard[-]canary[-][0-9a-f]{32}')
LARGEST = 64 << 20
found = {}


def look(place, data):
    for canary in CANARY.findall(data):
        found.setdefault(canary.decode(), place)


def look_into(path):
    try:
        with open(path, 'rb') as file:
            look(path, file.read(LARGEST))
    except (OSError, ValueError):
        pass


def look_at_memory(pid):
    try:
        regions = open(f'/proc/{pid}/maps').read().splitlines()
        memory = open(f'/proc/{pid}/mem', 'rb', buffering=0)
    except OSError:
        return
    for region in regions:
        start, end = (int(part, 16) for part in region.split()[0].split('-'))
        if end - start > LARGEST:
            continue
        try:
            memory.seek(start)
            look(f'/proc/{pid}/mem', memory.read(end - start))
        except (OSError, ValueError, OverflowError):
            pass


def identity(path):
    try:
        stats = os.stat(path)
        return stats.st_dev, stats.st_ino
    except OSError:
        return None


# The programs of the machine are the same for everybody, and /proc is looked at by name.
seen = {identity(path) for path in ('/usr', '/proc', '/runyard/bin')}


def walk(root):
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if identity(os.path.join(folder, name)) not in seen]
        seen.update(identity(os.path.join(folder, name)) for name in folders)
        for name in folders + files:
            look('name ' + folder, os.fsencode(name))
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                look_into(path)


walk('/')
for pid in [name for name in os.listdir('/proc') if name.isdigit()]:
    for name in ('environ', 'cmdline', 'mountinfo', 'auxv', 'comm', 'wchan', 'stack'):
        look_into(f'/proc/{pid}/{name}')
    for descriptor in glob.glob(f'/proc/{pid}/fd/*'):
        if os.path.isfile(descriptor):
            look_into(descriptor)
        if os.path.isdir(descriptor):
            walk(descriptor)
    for way in ('root', 'cwd'):
        walk(f'/proc/{pid}/{way}')
    if pid != str(os.getpid()):
        look_at_memory(pid)
for path in json.loads(sys.argv[1] if sys.argv[1].startswith('[') else '[]'):
    for way in ('', '/proc/1/root', '/proc/self/root', '/proc/self/cwd/../../../..', '/proc/1/cwd/../..', '/tmp/../..'):
        look_into(way + path)
print(json.dumps(found))
