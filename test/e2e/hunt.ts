/**
 * A Python program that looks for a secret in whatever a program in the wall can read: files, environments, arguments and
 * memory. It prints `found [places] control [kinds of places] files True`; the control is the placeholder key of the
 * gateway, which is there, and shows that it finds what is there. The secret is not spelled in it as a whole.
 */
export function huntFor(secret: string): string {
  const middle = Math.floor(secret.length / 2);
  return `
import os, re
secret = b"${secret.slice(0, middle)}" + b"${secret.slice(middle)}"
known = os.environ["ANTHROPIC_API_KEY"].encode()
found, control, files = [], set(), 0
def look(kind, place, data):
    if secret in data: found.append(place)
    if known in data: control.add(kind)
for folder in ("/workspace", "/tmp", "/etc", "/runyard", "/dev/shm", "/run", "/var"):
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) > 50_000_000: continue
            try: look("file", path, open(path, "rb").read()); files += 1
            except OSError: pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline"):
        try: look(name, pid + name, open(f"/proc/{pid}/{name}", "rb").read())
        except OSError: pass
    if int(pid) == os.getpid(): continue
    try:
        maps, memory = open(f"/proc/{pid}/maps").read(), open(f"/proc/{pid}/mem", "rb")
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.M):
            start, end = int(start, 16), int(end, 16)
            if end - start > 256 << 20: continue
            try: memory.seek(start); look("mem", pid + "mem", memory.read(end - start))
            except (OSError, OverflowError, ValueError): pass
    except OSError: pass
print("found", found, "control", sorted(control), "files", files > 10)
`;
}
