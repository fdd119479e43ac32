/** The programs that the demo hands to the sandbox. */

export const drawPython = `import math, struct, zlib

W, H = 320, 200
rows = bytearray()
for y in range(H):
    rows.append(0)
    for x in range(W):
        cx, cy, zx, zy, n = 2.8 * x / W - 2.1, 2.4 * y / H - 1.2, 0.0, 0.0, 0
        while n < 60 and zx * zx + zy * zy < 4:
            zx, zy, n = zx * zx - zy * zy + cx, 2 * zx * zy + cy, n + 1
        rows += bytes((n * 4 % 256, n * 9 % 256, n * 17 % 256)) if n < 60 else b"\\0\\0\\0"

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

with open("output/mandelbrot.png", "wb") as png:
    png.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, 2, 0, 0, 0))
              + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b""))
print(f"drew {W} x {H} pixels")
`;

export const countJavascript = `const words = (await new Response(process.stdin).text()).split(/\\s+/).filter(Boolean);
const counts = Map.groupBy(words, (word) => word.length);
for (const [length, group] of [...counts].sort(([a], [b]) => a - b)) console.log(length, '#'.repeat(group.length));`;

export const typedTypescript = `enum Size { Small = 1, Large = 10 }
interface Box { readonly name: string; readonly size: Size }
const boxes: Box[] = [{ name: 'letter', size: Size.Small }, { name: 'crate', size: Size.Large }];
console.log(boxes.map(({ name, size }) => \`\${name}: \${Size[size]}\`).join(', '));`;

export const shellBash = `echo "user $(id -un), $(ls / | wc -l) folders, $(ls /proc | grep -c '^[0-9]') processes"
printf 'from bash\\n' | tee output/note.txt`;

export const failingPython = `def share(cake, guests):
    return cake / guests

print("sharing the cake")
share(1, 0)`;

export const endlessPython = `import itertools
for n in itertools.count():
    if n % 20_000_000 == 0: print("still counting:", n)`;

export const countdownPython = `import time
for n in range(5, 0, -1):
    print(n)
    time.sleep(0.3)
print("lift-off")`;

/** Tries what it may not, and tells how each try ended. */
export function spyPython(home: string, port: number): string {
  return `import os, socket

def attempt(what, work):
    try:
        print(f"{what}: REACHED {work()!r:.60}")
    except OSError as error:
        print(f"{what}: {error.strerror or error}")

attempt("read /etc/shadow", lambda: open("/etc/shadow").read())
attempt("list your home", lambda: os.listdir(${JSON.stringify(home)}))
attempt("write to /usr", lambda: open("/usr/runyard-was-here", "w"))
attempt("connect to this machine", lambda: socket.create_connection(("127.0.0.1", ${port}), timeout=2))
print("network interfaces:", [name for _, name in socket.if_nameindex()])
print("other processes seen:", sum(name.isdigit() for name in os.listdir("/proc")) - 2)`;
}
