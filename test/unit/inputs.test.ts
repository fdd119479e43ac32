import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { constants, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Inputs } from '../../src/contracts/inputs.ts';
import type { Store } from '../../src/contracts/store.ts';
import { createEgress } from '../../src/gateway/egress.ts';
import { entriesOfArchive } from '../../src/inputs/archive.ts';
import type { Entry } from '../../src/inputs/entries.ts';
import { entriesOfFolder } from '../../src/inputs/folder.ts';
import { createInputs } from '../../src/inputs/index.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { certificateOf, lackingOpenssl } from '../fakes/certificate.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'runyard-unit-inputs-')));
const [tree, outside] = [join(base, 'tree'), join(base, 'outside')];
const owner = 'local:1';
const never = new AbortController().signal;
const plainStore = createFilesystemStore({ dir: join(base, 'home/store') });
const persisted: string[] = [];
const store: Store = {
  ...plainStore,
  persist: (key) => {
    persisted.push(key);
    return plainStore.persist(key);
  },
};
afterAll(() => rmSync(base, { recursive: true, force: true }));

function openInputs(port = 443): Inputs {
  return createInputs({
    store,
    spoolDir: join(base, 'home/spool'),
    egress: createEgress({
      privateTargets: [{ host: 'inputs.test', port }],
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    }),
    roots: [tree],
    ownFolders: [],
  });
}

test('an archive of nothing that never ends is not read for ever', async () => {
  const zeros = async function* () {
    const part = gzipSync(Buffer.alloc(1024 ** 2));
    for (;;) yield part;
  };
  const read = async () => {
    for await (const entry of entriesOfArchive(zeros(), 4 * 1024 ** 2)) expect(entry).toBeUndefined();
  };
  await expect(read()).rejects.toMatchObject({ code: 'invalid_request', message: 'It unpacks to more than 4 GiB.' });
});

describe('a folder that changes while it is read', () => {
  beforeEach(() => {
    for (const folder of [tree, outside]) rmSync(folder, { recursive: true, force: true });
    for (const folder of [tree, outside]) mkdirSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(tree, 'sub/file'), 'mine');
    writeFileSync(join(outside, 'sub/file'), 'key!');
  });

  async function contentOf({ content }: Entry): Promise<string> {
    let text = '';
    for await (const chunk of content!) text += Buffer.from(chunk).toString();
    return text;
  }

  test.for([
    [
      'a file that is a link by now',
      () => {
        rmSync(join(tree, 'sub/file'));
        symlinkSync(join(outside, 'sub/file'), join(tree, 'sub/file'));
      },
    ],
    [
      'a folder that is a link by now',
      () => {
        renameSync(join(tree, 'sub'), join(tree, 'moved'));
        symlinkSync(join(outside, 'sub'), join(tree, 'sub'));
      },
    ],
    [
      'a file that is a FIFO by now, which nobody writes',
      () => {
        rmSync(join(tree, 'sub/file'));
        expect(spawnSync('mkfifo', [join(tree, 'sub/file')]).status).toBe(0);
      },
    ],
    ['a file that is gone by now', () => rmSync(join(tree, 'sub/file'))],
  ] as const)('T5: %s is refused, and nothing is read in its place', async ([, swap]) => {
    const read = async () => {
      for await (const entry of entriesOfFolder(tree)) {
        if (entry.type !== 'file') continue;
        swap();
        expect(await contentOf(entry)).toBe('');
      }
    };
    await expect(read()).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('sub/file'),
    });
  });

  test('what is there already is known to be on disk before it is told', async () => {
    const inputs = openInputs();
    await inputs.resolve(tree, owner, never);
    persisted.length = 0;
    const sha256 = await inputs.resolve(tree, owner, never);
    expect(persisted).toEqual([expect.stringContaining(sha256)]);
  });
});

describe.skipIf(lackingOpenssl !== undefined)(
  `an archive on the web${lackingOpenssl ? ' (needs openssl)' : ''}`,
  () => {
    const trusted = getCACertificates('default');
    const state: { server?: Server; inputs?: Inputs; answer: (response: ServerResponse) => void } = {
      answer: (response) => response.end(),
    };

    beforeAll(async () => {
      const tls = certificateOf('inputs.test');
      setDefaultCACertificates([...trusted, tls.cert.toString()]);
      state.server = createServer(tls, (_, response) => state.answer(response)).listen(0, '127.0.0.1');
      await once(state.server, 'listening');
      state.inputs = openInputs((state.server.address() as AddressInfo).port);
    });
    afterEach(() => state.server?.closeAllConnections());
    afterAll(() => {
      setDefaultCACertificates(trusted);
      state.server?.close();
    });

    const address = () => `https://inputs.test:${(state.server!.address() as AddressInfo).port}/a.tar`;

    async function tarOf(name: string, sizeBytes: number): Promise<Buffer> {
      const tar = pack();
      tar.entry({ name }, Buffer.alloc(sizeBytes, 'x'));
      tar.finalize();
      const chunks: Buffer[] = [];
      for await (const chunk of tar) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    }

    test.for([
      ['plain', (tar: Buffer) => tar],
      ['compressed', (tar: Buffer) => gzipSync(tar, { finishFlush: constants.Z_SYNC_FLUSH })],
    ] as const)('that is refused in the middle, %s, leaves no connection behind', async ([, spelled]) => {
      const closed = Promise.withResolvers<void>();
      const begun = spelled((await tarOf('../climbs', 4096)).subarray(0, 2048));
      state.answer = (response) => {
        response.once('close', closed.resolve);
        response.writeHead(200).write(begun);
      };
      await expect(state.inputs!.resolve(address(), owner, never)).rejects.toMatchObject({ code: 'invalid_request' });
      await closed.promise;
    });

    test('that is nowhere, by a broken redirect, is refused in words', async () => {
      state.answer = (response) => response.writeHead(302, { location: 'https://[' }).end();
      await expect(state.inputs!.resolve(address(), owner, never)).rejects.toMatchObject({ code: 'invalid_request' });
    });

    test('that two wait for is not lost to the second where the first gives up', async () => {
      const asked = Promise.withResolvers<ServerResponse>();
      state.answer = asked.resolve;
      const first = new AbortController();
      const leaving = state.inputs!.resolve(address(), owner, first.signal);
      const staying = state.inputs!.resolve(address(), owner, never);
      const response = await asked.promise;
      first.abort(new Error('had enough'));
      await expect(leaving).rejects.toThrow('had enough');
      response.end(await tarOf('file', 10));
      expect(await staying).toMatch(/^[0-9a-f]{64}$/);
    });
  },
);
