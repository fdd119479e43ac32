import { fork, spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { findProgram } from '../../src/lib/find-program.ts';
import type { Row } from './report.ts';
import { alternately, median, millisecondsOf } from './statistics.ts';

const folders = 64;
const filesEach = 64;
const fileBytes = 256 * 1024;
const treeMiB = (folders * filesEach * fileBytes) / 1024 ** 2;
/** As large as a small input: what it takes of memory is what packing takes at all. */
const smallPart = '0';
const measured = { rounds: 2, pauseMs: 2_000 };

/** How fast a tree is packed, hashed and kept, and in how much memory. */
export async function inputRows(): Promise<Row[]> {
  const what = `packing ${treeMiB} MiB`;
  const floor = { kind: 'at least', value: 0.5, unit: '×' } as const;
  const lacking = ['tar', 'zstd'].filter((name) => findProgram(name, process.env.PATH ?? '') === undefined);
  if (lacking.length > 0) {
    return [{ what, ours: '', against: `${lacking.join(' and ')} (not here)`, value: undefined, floor }];
  }
  const base = mkdtempSync(join(tmpdir(), 'runyard-bench-inputs-'));
  try {
    const tree = join(base, 'tree');
    makeTree(tree);
    const small = await pack(join(tree, smallPart), base);
    const peaks: number[] = [];
    const { ours, bare } = await alternately(
      {
        ours: async () => {
          const { ms, peakMegabytes } = await pack(tree, base);
          peaks.push(peakMegabytes);
          return ms;
        },
        bare: () => millisecondsOf(() => tarAndZstd(tree, join(base, 'tree.tar.zst'))),
      },
      measured,
    );
    const speed = (ms: readonly number[]) => `${((treeMiB * 1000) / median(ms)).toFixed(0)} MiB/s`;
    const peak = Math.max(...peaks);
    return [
      { what, ours: speed(ours), against: `tar | zstd -3: ${speed(bare)}`, value: median(bare) / median(ours), floor },
      {
        what: 'the memory it takes',
        ours: `${peak.toFixed(0)} MB at most`,
        against: `${treeMiB / folders} MiB: ${small.peakMegabytes.toFixed(0)} MB`,
        value: peak / small.peakMegabytes,
        floor: { kind: 'at most', value: 2, unit: '×' },
      },
    ];
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** Files of which three quarters are words and the rest is noise, the same every time. */
function makeTree(tree: string): void {
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16));
  const noise = (bytes: number) => cipher.update(Buffer.alloc(bytes));
  const words = Array.from({ length: 4096 }, () => noise(4).toString('hex').slice(0, 7));
  for (let folder = 0; folder < folders; folder += 1) {
    mkdirSync(join(tree, String(folder)), { recursive: true });
    for (let file = 0; file < filesEach; file += 1) {
      const picks = new Uint16Array(noise(fileBytes / 5).buffer);
      const text = Array.from(picks, (pick) => words[pick & 4095]).join(' ');
      const half = Buffer.from(text).subarray(0, (fileBytes / 4) * 3);
      writeFileSync(join(tree, String(folder), `${file}.dat`), Buffer.concat([half, noise(fileBytes - half.length)]));
    }
  }
}

const packed = z.strictObject({ ms: z.number(), peakMegabytes: z.number() });

/** In a process of its own, whose memory nothing else is in. */
async function pack(folder: string, base: string): Promise<z.infer<typeof packed>> {
  const home = mkdtempSync(join(base, 'home-'));
  const child = fork(new URL('./pack-folder.ts', import.meta.url), [folder, home], { execArgv: [] });
  const [message] = await once(child, 'message');
  await once(child, 'exit');
  rmSync(home, { recursive: true });
  return packed.parse(message);
}

async function tarAndZstd(folder: string, file: string): Promise<void> {
  const command = 'set -o pipefail; tar -C "$1" -cf - . | zstd -3 -q -f -o "$2"';
  const child = spawn('bash', ['-c', command, 'bash', folder, file], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`tar | zstd ended with ${code}`);
}
