import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { handleOf, inspectProcess } from '../../../src/backends/local/process-handle.ts';
import { processIdentity, procTable, psTable } from '../../../src/lib/process-identity.ts';

/** Where there is no /proc, the same is told by `ps`, which is here too. */
const tables = [
  ['/proc', procTable, process.platform === 'linux'],
  ['ps', psTable, process.platform !== 'win32'],
] as const;

describe.each(tables)('told by %s', (name, makeTable, isHere) => {
  const table = makeTable();
  const it = test.skipIf(!isHere);

  it(`a process has the same identity at every look, and none once it has ended (needs ${name})`, async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const first = processIdentity(child.pid!, table);
    expect(first).toMatchObject({
      pid: child.pid,
      startTime: expect.stringMatching(/\d/),
      boot: expect.stringMatching(/\d/),
    });
    expect(processIdentity(child.pid!, makeTable())).toEqual(first);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(processIdentity(child.pid!, table)).toBeUndefined();
  });

  it(`a zombie has ended (needs ${name})`, async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60']);
    const [told] = await once(parent.stdout, 'data');
    try {
      await vi.waitFor(() => expect(processIdentity(Number(told), table)).toBeUndefined(), 20_000);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it(`a handle means one process, of one boot (needs ${name})`, async () => {
    const handle = handleOf(process.pid, table)!;
    expect(inspectProcess(handle, table)).toEqual({ state: 'alive' });
    expect(inspectProcess({ ...handle, startTime: 'another' }, table)).toMatchObject({ state: 'ended' });
    expect(inspectProcess({ ...handle, boot: 'another' }, table)).toMatchObject({ state: 'unknown' });
    expect(() => inspectProcess({ ...handle, pidNamespace: 'another' }, table)).toThrow(/another pid namespace/);
    expect(handleOf(2 ** 22 + 1, table)).toBeUndefined();
  });

  it(`neither language nor time zone of the caller changes it (needs ${name})`, () => {
    const before = processIdentity(process.pid, table);
    vi.stubEnv('TZ', 'Asia/Kolkata').stubEnv('LC_ALL', 'de_DE.UTF-8');
    try {
      expect(processIdentity(process.pid, makeTable())).toEqual(before);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
