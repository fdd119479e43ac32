import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createEnvironmentSecrets } from '../../src/secrets/environment.ts';
import { createSecrets } from '../../src/secrets/index.ts';
import { createSecretManagerSecrets } from '../../src/secrets/secret-manager.ts';
import { serviceDisabled } from '../fakes/google/failure.ts';
import { type SecretManagerServer, startSecretManager } from '../fakes/google/secret-manager.ts';
import type { GoogleFakeOptions } from '../fakes/google/server.ts';
import { never, secretsContract, unavailable } from './secrets-suite.ts';

const project = 'a-project';
const secret = `projects/${project}/secrets/TOKEN`;
const reference = 'secret-manager:TOKEN';

secretsContract('the environment', async () => {
  const env: Record<string, string | undefined> = {};
  return {
    secrets: createEnvironmentSecrets(env),
    async set(name, value) {
      env[name] = value;
      return `env:${name}`;
    },
  };
});

const shared: { fake?: SecretManagerServer } = {};
beforeAll(async () => {
  shared.fake = await startSecretManager();
});
afterAll(() => shared.fake?.close());

secretsContract('Secret Manager', async () => {
  const fake = shared.fake!;
  return {
    secrets: createSecretManagerSecrets({ project, endpoint: fake.url }),
    async set(name, value) {
      if (value === undefined) return `secret-manager:${name}-gone`;
      fake.addVersion(`projects/${project}/secrets/${name}`, value);
      return `secret-manager:${name}`;
    },
  };
});

async function manager(options: GoogleFakeOptions = {}, patienceMs = 5000) {
  const fake = await startSecretManager(options);
  onTestFinished(fake.close);
  fake.addVersion(secret, 'the old value');
  fake.addVersion(secret, 'the value\n');
  return {
    fake,
    read: (signal = never) =>
      createSecretManagerSecrets({ project, endpoint: fake.url, patienceMs }).read(reference, signal),
  };
}

describe('Secret Manager', () => {
  test('each reading is one request for the latest version', async () => {
    const { fake, read } = await manager();
    expect(await read()).toBe('the value');
    expect(fake.requests.map(({ method, url }) => `${method} ${url.split('?')[0]}`)).toEqual([
      `GET /v1/${secret}/versions/latest:access`,
    ]);
  });

  test.each<['DISABLED' | 'DESTROYED']>([['DISABLED'], ['DESTROYED']])(
    'a latest version that is %s is not replaced by an older one',
    async (state) => {
      const { fake, read } = await manager();
      fake.setState(secret, 2, state);
      const error = await unavailable(read());
      expect(error.message).toMatch(
        /^secret-manager:TOKEN cannot be read: the latest version of .* is disabled or destroyed/,
      );
      expect(error.hint).toContain('gcloud secrets versions add');
    },
  );

  test('C1: an account that may not read it is told which permission it lacks', async () => {
    const { read, fake } = await manager({ authorize: () => false });
    const error = await unavailable(read());
    expect(error.message).toBe(
      `${reference} cannot be read: the account of this process lacks the permission ` +
        `secretmanager.versions.access on ${secret}, or there is no such secret.`,
    );
    expect(error.hint).toContain('roles/secretmanager.secretAccessor');
    expect(fake.requests).toHaveLength(1);
  });

  test('an API that is off', async () => {
    const failure = serviceDisabled('secretmanager.googleapis.com', project);
    const { read } = await manager({ disturb: () => ({ kind: 'fail', failure }) });
    expect((await unavailable(read())).hint).toContain('gcloud services enable secretmanager.googleapis.com');
  });

  test('a value that is no text', async () => {
    const { fake, read } = await manager();
    fake.addVersion(secret, Buffer.from([0xff, 0xfe, 0x00]));
    expect((await unavailable(read())).message).toContain('not valid UTF-8');
    fake.addVersion(secret, 'a\0b');
    expect((await unavailable(read())).message).toContain('NUL');
  });

  const changed = (body: string) => body.replace(/"data": "..../, '"data": "AAAA');

  test('a value that was changed on its way is asked for again, and never believed', async () => {
    const left = { count: 2 };
    const once = await manager({ disturb: () => (left.count-- > 0 ? { kind: 'damage', change: changed } : undefined) });
    expect(await once.read()).toBe('the value');
    expect(once.fake.requests).toHaveLength(3);
    const ever = await manager({ disturb: () => ({ kind: 'damage', change: changed }) }, 300);
    expect((await unavailable(ever.read())).message).toContain('arrived changed, again and again');
  });

  test('a busy or failing service is asked again, for a while', async () => {
    const statuses = [429, 503, 500];
    const { read, fake } = await manager({
      disturb: () => {
        const status = statuses.shift();
        return status === undefined ? undefined : { kind: 'refuse', status };
      },
    });
    expect(await read()).toBe('the value');
    expect(fake.requests).toHaveLength(4);
    const away = await manager({ disturb: () => ({ kind: 'refuse', status: 503 }) }, 300);
    expect((await unavailable(away.read())).message).toContain('Secret Manager answered 503');
  });

  test('a service that is silent is not waited for beyond the signal', async () => {
    const { read } = await manager({ disturb: () => ({ kind: 'silence' }) });
    const startedAt = performance.now();
    expect((await unavailable(read(AbortSignal.timeout(200)))).message).toContain('did not answer in time');
    // Its patience alone would be three times as long.
    expect(performance.now() - startedAt).toBeLessThan(5000);
    await unavailable(read(AbortSignal.abort()));
  });

  test.each<[string, (body: string) => string]>([
    ['cut off', (body) => body.slice(0, -30)],
    ['no JSON around the value', (body) => body.replace('"data": "', '"data": x"')],
    ['of another shape', (body) => body.replace(/"data": (".*?")/, '"data": [$1]')],
    ['without its checksum', (body) => body.replace(/"dataCrc32c": ".*?"/, '"x": 1')],
  ])('nothing of the value shows where the answer is %s', async (_, change) => {
    const { read } = await manager({ disturb: () => ({ kind: 'damage', change }) }, 200);
    const shown = inspect(await unavailable(read()), { depth: 10, showHidden: true });
    const encoded = Buffer.from('the value\n').toString('base64');
    for (const text of ['the value', ...pieces(encoded)]) expect(shown).not.toContain(text);
  });
});

function pieces(text: string): string[] {
  return Array.from({ length: text.length - 5 }, (_, at) => text.slice(at, at + 6));
}

describe('a reference goes where its scheme says', () => {
  test('the environment needs no cloud', async () => {
    const secrets = createSecrets({ env: { A: 'a' }, secretManager: undefined });
    expect(await secrets.read('env:A', never)).toBe('a');
    const error = await unavailable(secrets.read(reference, never));
    expect(`${error.message} ${error.hint}`).toMatch(/secret-manager:TOKEN.*RUNYARD_PROJECT and RUNYARD_REGION/);
  });

  test('Secret Manager is asked where there is one', async () => {
    const { fake } = await manager();
    const secrets = createSecrets({
      env: { TOKEN: 'of the environment' },
      secretManager: { project, endpoint: fake.url },
    });
    expect(await secrets.read(reference, never)).toBe('the value');
    expect(await secrets.read('env:TOKEN', never)).toBe('of the environment');
    await unavailable(secrets.read('vault:TOKEN', never));
  });
});
