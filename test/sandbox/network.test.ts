import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { wallPaths } from '../../src/contracts/sandbox.ts';
import { describeWall, useSandbox } from './bench.ts';
import { descriptorsOf, namespaceOf } from './host-view.ts';

describeWall('the network of a wall', () => {
  const bench = useSandbox();
  const listeners: Server[] = [];

  afterEach(async () => {
    for (const server of listeners.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  /** A listener of the host that counts who comes. */
  async function silent(where: { host: string } | { path: string }): Promise<{ port: number; visitors: () => number }> {
    let visitors = 0;
    const server = createServer((socket) => {
      visitors += 1;
      socket.destroy();
    });
    listeners.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen('host' in where ? { ...where, port: 0 } : where, resolve);
    });
    const address = server.address();
    return { port: typeof address === 'object' && address !== null ? address.port : 0, visitors: () => visitors };
  }

  test('W5: the only interface is lo, and there is no route out', async () => {
    await bench.attempt({
      python: 'import time\nprint("ready", flush=True)\ntime.sleep(60)',
      whileAlive: (live) => {
        for (const pid of live.pids()) {
          const lines = readFileSync(`/proc/${pid}/net/dev`, 'utf8').trim().split('\n').slice(2);
          expect(lines.map((line) => line.split(':')[0]?.trim())).toEqual(['lo']);
          expect(readFileSync(`/proc/${pid}/net/route`, 'utf8').trim().split('\n')).toHaveLength(1);
          const routes = readFileSync(`/proc/${pid}/net/ipv6_route`, 'utf8').trim().split('\n').filter(Boolean);
          expect(routes.filter((line) => !/\s(lo)$/.test(line))).toEqual([]);
          expect(namespaceOf(pid, 'net')).not.toBe(namespaceOf(process.pid, 'net'));
        }
      },
    });
  });

  test('W5: listeners of the host on loopback, abstract and in a folder stay silent', async () => {
    const id = randomBytes(8).toString('hex');
    const path = join(tmpdir(), `runyard-battery-${id}.sock`);
    const [tcp4, tcp6, named, abstract] = [
      await silent({ host: '127.0.0.1' }),
      await silent({ host: '::1' }),
      await silent({ path }),
      await silent({ path: `\0runyard-battery-${id}` }),
    ];
    const trial = await bench.attempt({
      python: `
import json, socket
def reaches(family, address):
    s = socket.socket(family); s.settimeout(1)
    try: s.connect(address); return True
    except OSError: return False
tries = {'tcp4': (socket.AF_INET, ('127.0.0.1', ${tcp4.port})), 'any': (socket.AF_INET, ('0.0.0.0', ${tcp4.port})), 'name': (socket.AF_INET, ('localhost', ${tcp4.port})),
  'tcp6': (socket.AF_INET6, ('::1', ${tcp6.port})), 'mapped': (socket.AF_INET6, ('::ffff:127.0.0.1', ${tcp4.port})),
  'named': (socket.AF_UNIX, '${path}'), 'abstract': (socket.AF_UNIX, chr(0) + 'runyard-battery-${id}')}
print(json.dumps([name for name, one in tries.items() if reaches(*one)]))`,
    });
    rmSync(path, { force: true });
    expect(trial.said(z.array(z.string()))).toEqual([]);
    expect([tcp4, tcp6, named, abstract].map((one) => one.visitors())).toEqual([0, 0, 0, 0]);
  });

  test('D3: what connects to the door inside arrives at the run’s own server', async () => {
    const greeting = randomBytes(8).toString('hex');
    const trial = await bench.attempt({
      door: (server) => {
        server.on('connection', (socket) => socket.end(greeting));
      },
      python: `
import json, socket
print(json.dumps([socket.create_connection(('127.0.0.1', ${wallPaths.doorPort})).recv(100).decode() for _ in range(3)]))`,
    });
    expect(trial.said(z.array(z.string()))).toEqual([greeting, greeting, greeting]);
  });

  test('D3: nobody inside can take the door’s place or get hold of its listener', async () => {
    const visits: string[] = [];
    const trial = await bench.attempt({
      door: (server) => {
        server.on('connection', (socket) => {
          socket.on('data', (chunk) => {
            visits.push(chunk.toString());
            socket.write('seen');
          });
          socket.on('error', () => socket.destroy());
        });
      },
      python: `
import errno, json, os, socket, time
taken = []
for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::'), (socket.AF_INET6, '::ffff:127.0.0.1')):
    for option in (0, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        s = socket.socket(family)
        if option: s.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try: s.bind((host, ${wallPaths.doorPort})); s.listen(); taken.append([host, option])
        except OSError as error:
            if error.errno != errno.EADDRINUSE: taken.append([host, option, str(error)])
inode = [line.split()[9] for line in open('/proc/net/tcp').read().splitlines()[1:] if line.split()[3] == '0A']
holders = []
for pid in os.listdir('/proc'):
    if pid.isdigit():
        try: holders += [fd for fd in os.listdir(f'/proc/{pid}/fd') if os.readlink(f'/proc/{pid}/fd/{fd}') in ['socket:[%s]' % i for i in inode]]
        except OSError: pass
c = socket.create_connection(('127.0.0.1', ${wallPaths.doorPort})); c.send(b'visitor'); assert c.recv(4) == b'seen'
print(json.dumps({'taken': taken, 'listeners': len(inode), 'holders': holders}), flush=True)
print('ready', flush=True)
time.sleep(60)`,
      whileAlive: (live) => {
        for (const pid of live.programPids())
          expect([...descriptorsOf(pid).keys()].filter((fd) => fd < 3)).toEqual([0, 1, 2]);
        const sockets = live.pids().flatMap((pid) => [...descriptorsOf(pid).values()]);
        const listening = readFileSync(`/proc/${live.pids()[0]}/net/tcp`, 'utf8').split('\n').slice(1);
        const inodes = listening.map((line) => line.trim().split(/\s+/)).filter((fields) => fields[3] === '0A');
        expect(inodes).toHaveLength(1);
        expect(sockets).not.toContain(`socket:[${inodes[0]?.[9]}]`);
      },
    });
    const said = z.object({ taken: z.array(z.unknown()), listeners: z.int(), holders: z.array(z.string()) });
    expect(said.parse(JSON.parse(trial.stdout.split('\n')[0] ?? ''))).toEqual({ taken: [], listeners: 1, holders: [] });
    expect(visits).toEqual(['visitor']);
  });

  test('D3: each wall has a door of its own, and it is shut when the run is over', async () => {
    const visits = new Map<string, number>();
    const doors: Server[] = [];
    const attempt = (name: string) =>
      bench.attempt({
        door: (server) => {
          doors.push(server);
          server.on('connection', (socket) => {
            visits.set(name, (visits.get(name) ?? 0) + 1);
            socket.end(name);
          });
        },
        python: `import socket\nprint(socket.create_connection(('127.0.0.1', ${wallPaths.doorPort})).recv(10).decode())`,
      });
    const trials = await Promise.all([attempt('one'), attempt('two')]);
    expect(trials.map((trial) => trial.stdout.trim())).toEqual(['one', 'two']);
    expect([...visits]).toHaveLength(2);
    expect(doors.map((door) => door.listening)).toEqual([false, false]);
  });

  test('D3: without a door nothing listens inside', async () => {
    const trial = await bench.attempt({
      python: `
import json, socket
s = socket.socket()
print(json.dumps([s.connect_ex(('127.0.0.1', ${wallPaths.doorPort})), len(open('/proc/net/tcp').read().splitlines()), len(open('/proc/net/tcp6').read().splitlines())]))`,
    });
    expect(trial.said(z.array(z.int()))).toEqual([111, 1, 1]);
  });
});
