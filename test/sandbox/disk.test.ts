import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { contention } from '../bench/load.ts';
import { describeWall, useSandbox } from './bench.ts';
import type { Attempt, LiveWall, Trial } from './harness.ts';

const MiB = 1024 * 1024;
const workspaceBytes = 32 * MiB;
/** What the attackers write unless they are ended; so much that a slow machine ends them in time too. */
const wantedBytes = 400 * MiB;
const workspaceInodes = 2_000;
/** Between two of an attacker's writes, in seconds: what ends it is as slow as everything else on a busy machine. */
const pause = (seconds: number) => (seconds * Math.min(4, contention())).toFixed(3);

describeWall('the disk of a wall', () => {
  const bench = useSandbox();

  /** The most that lay on the disk at any moment that somebody looked, in bytes and in files. */
  async function tryToFill(python: string, more: Partial<Attempt> = {}) {
    const peak = { bytes: 0, files: 0 };
    const trial = await bench.attempt({
      python: `import os, sys, time\nMiB = 1 << 20\nprint('ready', flush=True)\n${python}\nprint('wrote all of it', flush=True)\ntime.sleep(1.5)`,
      limits: { workspaceBytes, workspaceInodes },
      whileAlive: async (live) => {
        const deadlineMs = performance.now() + 20_000;
        while (live.programPids().length > 0 && performance.now() < deadlineMs) {
          const now = usedBy(live);
          peak.bytes = Math.max(peak.bytes, now.bytes);
          peak.files = Math.max(peak.files, now.files);
          // What ends the attacker has its turn in this process too.
          await sleep(25);
        }
      },
      ...more,
    });
    return { trial, peak };
  }

  /** The workspace as the host sees it, and files that are deleted and still held. */
  function usedBy(live: LiveWall): { bytes: number; files: number } {
    const [pid] = live.programPids();
    const deleted = live.pids().flatMap(deletedFilesOf);
    if (pid === undefined) return { bytes: 0, files: 0 };
    const found = [...sizesBelow(`/proc/${pid}/root/workspace`), ...new Map(deleted).values()];
    return { bytes: found.reduce((sum, size) => sum + size, 0), files: found.length };
  }

  const endedForDisk = (trial: Trial) => {
    expect(trial.end).toMatchObject({ cause: 'disk_limit', exitCode: null });
    expect(trial.stdout).not.toContain('wrote all of it');
  };

  test('W6: a full workspace ends the run, and the disk is given back', async () => {
    const { trial, peak } = await tryToFill(
      `for n in range(200):\n    open(f"/workspace/{n}", "wb").write(b"x" * 2 * MiB)\n    time.sleep(${pause(0.02)})\ntime.sleep(5)`,
    );
    endedForDisk(trial);
    expect(peak.bytes).toBeLessThan(wantedBytes / 2);
    expect(bench.filesBelowWork().filter(({ path }) => /\/workspace\/\d+$/.test(path))).toEqual([]);
  });

  test('W6: one file cannot grow beyond the workspace', async () => {
    const { trial, peak } = await tryToFill(
      'import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nwith open("/workspace/one", "wb", buffering=0) as file:\n    for _ in range(400): assert file.write(b"x" * MiB) == MiB',
    );
    expect(trial.stdout).not.toContain('wrote all of it');
    expect(['disk_limit', 'exited']).toContain(trial.end.cause);
    expect(peak.bytes).toBeLessThanOrEqual(workspaceBytes + MiB);
  });

  test('W6: files that were deleted and are still open count', async () => {
    const { trial, peak } = await tryToFill(
      `kept = []\nfor n in range(200):\n    kept.append(open("/workspace/gone", "wb", buffering=0)); kept[-1].write(b"x" * 2 * MiB); os.unlink("/workspace/gone")\n    time.sleep(${pause(0.02)})\ntime.sleep(5)`,
    );
    endedForDisk(trial);
    expect(peak.bytes).toBeLessThan(wantedBytes / 2);
  });

  test('W6: deleted files held by a child that hides in another folder count', async () => {
    const { trial, peak } = await tryToFill(
      `for n in range(100):\n    if os.fork() == 0:\n        os.setsid(); fd = os.open("/workspace", os.O_TMPFILE | os.O_RDWR); os.write(fd, b"x" * 4 * MiB); time.sleep(30)\n    time.sleep(${pause(0.04)})\ntime.sleep(5)`,
    );
    endedForDisk(trial);
    expect(peak.bytes).toBeLessThan(wantedBytes / 2);
  });

  test('W6: too many files end the run', async () => {
    const { trial, peak } = await tryToFill(
      `for n in range(40000):\n    os.makedirs(f"/workspace/{n // 500}", exist_ok=True); os.close(os.open(f"/workspace/{n // 500}/{n}", os.O_CREAT | os.O_WRONLY))\n    if n % 100 == 0: time.sleep(${pause(0.01)})\ntime.sleep(5)`,
    );
    endedForDisk(trial);
    expect(peak.files).toBeLessThan(10 * workspaceInodes);
  });

  test('W6: folders nobody may enter hide nothing from the count', async () => {
    const { trial } = await tryToFill(
      'os.mkdir("/workspace/dark")\nfor n in range(40):\n    open(f"/workspace/dark/{n}", "wb").write(b"x" * 2 * MiB)\nos.chmod("/workspace/dark", 0)\ntime.sleep(5)',
    );
    endedForDisk(trial);
  });

  test('W6: a sparse file of 1 TB takes no disk and is not collected', async () => {
    const { trial, peak } = await tryToFill(
      'import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\ntry: os.truncate(os.open("/workspace/output/sparse", os.O_CREAT | os.O_RDWR), 1 << 40)\nexcept OSError: pass\ntime.sleep(0.5)\nos._exit(0)',
      { collect: {} },
    );
    expect(trial.end.cause).toBe('exited');
    expect(peak.bytes).toBeLessThan(MiB);
    expect([...trial.files.values()].every((content) => content.length === 0)).toBe(true);
  });

  test('W6: a flood of output is held back by whoever reads it, and ends when told', async () => {
    const got = { bytes: 0, heldAt: 0 };
    const trial = await bench.attempt({
      python: 'import os\nprint("ready", flush=True)\nwhile True: os.write(1, b"x" * 65536)',
      onOutput: async (chunk, live) => {
        got.bytes += chunk.length;
        if (got.bytes < 8 * MiB || got.heldAt > 0) return;
        got.heldAt = got.bytes;
        await sleep(300);
        expect(got.bytes).toBe(got.heldAt);
        live.kill('output_limit');
      },
      whileAlive: async () => {
        while (got.heldAt === 0) await sleep(10);
        await sleep(500);
      },
    });
    expect(trial.end).toMatchObject({ cause: 'output_limit', exitCode: null });
    expect(got.bytes).toBeLessThan(9 * MiB);
  });

  test('W6: what init and the caller’s input lie on cannot be written by the program', async () => {
    const trial = await bench.attempt({
      stdin: 'given',
      python: `
import os
for act in (lambda: os.fchmod(0, 0o666), lambda: os.ftruncate(0, 1 << 30), lambda: os.open('/proc/self/fd/0', os.O_WRONLY), lambda: os.open('/runyard/program', os.O_WRONLY), lambda: os.chmod('/runyard/program', 0o666)):
    try: act(); print('it worked', flush=True)
    except OSError: pass
print(os.read(0, 100).decode())`,
    });
    expect(trial.stdout).toBe('given\n');
  });
});

/** Allocated bytes of everything below a folder, the folder included; what disappears meanwhile counts nothing. */
function sizesBelow(folder: string): number[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? [4096, ...sizesBelow(path)] : [lstatSync(path).blocks * 512];
    });
  } catch {
    return [];
  }
}

function deletedFilesOf(pid: number): [inode: number, bytes: number][] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      const path = `/proc/${pid}/fd/${name}`;
      if (!/ \(deleted\)$|\/#\d+$/.test(readlinkSync(path))) return [];
      const { ino, blocks } = statSync(path);
      return [[ino, blocks * 512]];
    });
  } catch {
    return [];
  }
}
