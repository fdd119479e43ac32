import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { zstdDecompressSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { afterAll, expect } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { createEgress } from '../../src/gateway/egress.ts';
import { createInputs } from '../../src/inputs/index.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';

/** Inputs of one owner on a store of their own, for the tests of one file. */

export const base = mkdtempSync(join(tmpdir(), 'runyard-inputs-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

export const owner = 'local:1';
export const never = new AbortController().signal;
export const home = join(base, 'home');
export const roots = join(base, 'roots');
export const tree = join(roots, 'tree');
export const store = createFilesystemStore({ dir: join(home, 'store') });
export const inputs = createInputs({
  store,
  spoolDir: join(home, 'spool'),
  egress: createEgress({ privateTargets: [] }),
  roots: [roots],
  ownFolders: [home],
});

export interface Told {
  name: string;
  type: string | null | undefined;
  mode: number | undefined;
  text: string;
}

export async function kept(sha256: string): Promise<Told[]> {
  const tar = zstdDecompressSync((await store.read(keys.input(owner, sha256)))!);
  expect(createHash('sha256').update(tar).digest('hex')).toBe(sha256);
  const told: Told[] = [];
  const reader = extract();
  Readable.from([tar]).pipe(reader);
  for await (const entry of reader) {
    const { name, type, mode, linkname, uid, gid, mtime, uname } = entry.header;
    expect({ uid, gid, uname, time: mtime?.getTime() }).toEqual({ uid: 0, gid: 0, uname: '', time: 0 });
    let text = linkname ?? '';
    for await (const chunk of entry) text += String(chunk).slice(0, 5);
    told.push({ name, type, mode, text: text.slice(0, 8) });
  }
  return told;
}

export async function tarOf(...entries: Parameters<ReturnType<typeof pack>['entry']>[0][]): Promise<Buffer> {
  const tar = pack();
  for (const header of entries)
    tar.entry({ ...header }, header.type === undefined || header.type === 'file' ? 'text' : '');
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const put = (bytes: Buffer) => inputs.put(Readable.from([bytes]), owner);
