import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { defaultPromptOf } from '../../src/app/default-prompt.ts';
import { secretsOf } from '../../src/app/services.ts';
import { readConfig } from '../../src/config.ts';
import { createSecrets } from '../../src/secrets/index.ts';
import { startSecretManager } from '../fakes/google/secret-manager.ts';
import { insertObject } from '../fakes/google/storage-objects.ts';
import { startStorageServer } from '../fakes/google/storage-server.ts';

/** The operator's default prompt from each place where it may stand, changed between two readings. */

const folder = mkdtempSync(join(tmpdir(), 'runyard-prompt-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const place = { RUNYARD_PROJECT: 'a-project', RUNYARD_REGION: 'europe-west1' };
const configWith = (env: Record<string, string>) =>
  readConfig({ flags: [], env, userHome: folder, isRoot: false, readFile: () => undefined });
const never = new AbortController().signal;

/** A source under test: `put` changes what stands there; undefined takes it away. */
type Source = () => Promise<{
  read(signal?: AbortSignal): Promise<string | undefined>;
  put(text: string | Buffer | undefined): void;
}>;

const ofFile: Source = async () => {
  const path = join(folder, 'prompt.md');
  const config = configWith({ RUNYARD_SYSTEM_PROMPT: `@${path}` });
  const read = defaultPromptOf(config, secretsOf(config));
  return {
    read: (signal = never) => read(signal),
    put: (text) => (text === undefined ? rmSync(path) : writeFileSync(path, text)),
  };
};

const ofObject: Source = async () => {
  const server = await startStorageServer({ buckets: ['prompts-of-ours'] });
  onTestFinished(() => server.close());
  const config = configWith({
    ...place,
    RUNYARD_STORAGE_ENDPOINT: server.url,
    RUNYARD_SYSTEM_PROMPT: 'gs://prompts-of-ours/team/default.md',
  });
  const read = defaultPromptOf(config, secretsOf(config));
  const objects = server.objects('prompts-of-ours');
  return {
    read: (signal = never) => read(signal),
    put(text) {
      objects.delete('team/default.md');
      if (text !== undefined) insertObject(objects, 'team/default.md', Buffer.from(text), {}, {});
    },
  };
};

const ofSecretManager: Source = async () => {
  const manager = await startSecretManager();
  onTestFinished(manager.close);
  const config = configWith({
    ...place,
    RUNYARD_SECRET_MANAGER_ENDPOINT: manager.url,
    RUNYARD_SYSTEM_PROMPT: 'secret-manager:prompt',
  });
  const read = defaultPromptOf(config, secretsOf(config));
  const versions = { count: 0 };
  return {
    read: (signal = never) => read(signal),
    put(text) {
      const secret = 'projects/a-project/secrets/prompt';
      if (text === undefined) return manager.setState(secret, versions.count, 'DISABLED');
      versions.count += 1;
      manager.addVersion(secret, text);
    },
  };
};

const ofEnvironment: Source = async () => {
  const env: Record<string, string | undefined> = {};
  const config = configWith({ RUNYARD_SYSTEM_PROMPT: 'env:PROMPT' });
  const read = defaultPromptOf(config, createSecrets({ env, secretManager: undefined }));
  return {
    read: (signal = never) => read(signal),
    put(text) {
      env.PROMPT = text === undefined ? undefined : String(text);
    },
  };
};

describe.each([
  ['a file', ofFile, 'backend_error'],
  ['a stored object', ofObject, 'backend_error'],
  ['a secret of Secret Manager', ofSecretManager, 'secret_unavailable'],
  ['a secret of the environment', ofEnvironment, 'secret_unavailable'],
] as const)('the default prompt in %s', (_, open, code) => {
  test('is read anew each time', async () => {
    const { read, put } = await open();
    put('Be brief. Ä');
    expect(await read()).toBe('Be brief. Ä');
    put('Be long.');
    expect(await read()).toBe('Be long.');
  });

  test('is an error while it is not there, and none once it is again', async () => {
    const { read, put } = await open();
    put('one');
    put(undefined);
    await expect(read()).rejects.toMatchObject({ code });
    put('two');
    expect(await read()).toBe('two');
  });

  test('may not be larger than a prompt, or hold what no text holds', async () => {
    const { read, put } = await open();
    put('x'.repeat(1024 * 1024));
    expect((await read())?.length).toBe(1024 * 1024);
    put('x'.repeat(1024 * 1024 + 1));
    await expect(read()).rejects.toMatchObject({ code: 'backend_error', message: expect.stringContaining('1 MiB') });
    put('secret words\0');
    await expect(read()).rejects.toMatchObject({ message: expect.not.stringContaining('secret words') });
  });
});

describe.each([
  ['a file', ofFile],
  ['a stored object', ofObject],
] as const)('the default prompt in %s', (_, open) => {
  test('is none where it is empty, and refused where it is no text', async () => {
    const { read, put } = await open();
    put('');
    expect(await read()).toBeUndefined();
    put(' \n');
    expect(await read()).toBeUndefined();
    put(Buffer.from([0xff, 0xfe]));
    await expect(read()).rejects.toMatchObject({
      code: 'backend_error',
      message: expect.stringContaining('no text in UTF-8'),
      hint: expect.stringContaining('RUNYARD_SYSTEM_PROMPT'),
    });
  });
});

test('an object that may not be read says which permission is lacking', async () => {
  const server = await startStorageServer({
    buckets: ['prompts-of-ours'],
    withoutToken: 'server@example.com',
    authorize: ({ permission }) => permission !== 'storage.objects.get',
  });
  onTestFinished(() => server.close());
  const config = configWith({
    ...place,
    RUNYARD_STORAGE_ENDPOINT: server.url,
    RUNYARD_SYSTEM_PROMPT: 'gs://prompts-of-ours/x',
  });
  await expect(defaultPromptOf(config, secretsOf(config))(never)).rejects.toMatchObject({
    code: 'backend_error',
    message: expect.stringMatching(
      /default prompt cannot be read.* lacks storage\.objects\.get on the bucket prompts-of-ours/,
    ),
  });
});

test('without the setting there is none, and a place that is silent is not waited for', async () => {
  const none = configWith({});
  expect(await defaultPromptOf(none, secretsOf(none))(never)).toBeUndefined();
  const { read, put } = await ofFile();
  put('x');
  await expect(read(AbortSignal.abort())).rejects.toMatchObject({
    code: 'backend_error',
    message: expect.stringContaining('No answer came in time'),
  });
});
