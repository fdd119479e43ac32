import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import type { SecretDeclaration } from '../../src/contracts/secrets.ts';
import type { NewTask } from '../../src/contracts/task-service.ts';
import { filesHolding } from './served.ts';
import { alice, bob, countedSecrets, createYard, ended, everyKey, logText, setupTask, type Yard } from './yard.ts';

/** The field `secrets` of a Claude task, from submit to the program. What claude itself does is of no account here. */

const declarations: SecretDeclaration[] = [
  { reference: 'env:NPM', uses: [{ use: 'env' }] },
  { reference: 'env:GIT', uses: [{ use: 'git', host: 'github.com' }] },
  { reference: 'env:BOBS', uses: [{ use: 'env' }], owner: bob.owner },
];

const state: { yard?: Yard } = {};
beforeAll(() => {
  state.yard = createYard();
});
afterAll(() => state.yard?.remove());

/** A server whose environment is this; what it reads is counted. */
function serverWith(env: Record<string, string>) {
  const { source, read } = countedSecrets(env, declarations);
  return { server: state.yard!.server(undefined, source), read };
}

function task(secrets: Record<string, string>, more: Partial<NewTask> = {}, setup = 'exit 7'): NewTask {
  return setupTask({ env: { GIVEN: 'given' }, secrets, setupCommands: [setup] }, more);
}

describe('the secrets of a task', () => {
  test('prior B4d E3c: are variables of the program beside its env, read once each, as they are now', async () => {
    const env = { NPM: 'first\n' };
    const { server, read } = serverWith(env);
    const tell = 'echo "$GIVEN/$ONE/$TWO" | sed s/^/seen:/; exit 7';
    const one = await server.tasks.submit(task({ ONE: 'env:NPM', TWO: 'env:NPM' }, {}, tell), alice);
    env.NPM = 'second';
    const two = await server.tasks.submit(task({ ONE: 'env:NPM' }, {}, tell), alice);
    expect((await ended(server, one)).result).toMatchObject({ error: { code: 'command_failed' } });
    await ended(server, two);
    expect(await logText(server, one)).toContain('seen:given/first/first');
    expect(await logText(server, two)).toContain('seen:given/second/');
    expect(read).toEqual(['env:NPM', 'env:NPM']);
  });

  test.each([
    ['declared for another use', { A: 'env:GIT' }],
    ["another owner's", { A: 'env:BOBS' }],
    ['not declared', { A: 'env:PATH' }],
    ['one good, one bad', { A: 'env:NPM', B: 'env:PATH' }],
  ])('T6: %s: refused, and nothing is read or written', async (_, secrets: Record<string, string>) => {
    const { server, read } = serverWith({ NPM: 'x', GIT: 'x', BOBS: 'x', PATH: 'x' });
    const before = await everyKey(state.yard!);
    await expect(server.tasks.submit(task(secrets, { idempotencyKey: 'refused' }), alice)).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringMatching(/^The secret reference env:\w+ is not declared for you to use as "env"\.$/),
    });
    expect(await everyKey(state.yard!)).toEqual(before);
    expect(read).toEqual([]);
  });

  test('a repeated call reads nothing, though the secret is gone; another reference is a conflict', async () => {
    const env: Record<string, string> = { NPM: 'x', BOBS: 'x' };
    const { server, read } = serverWith(env);
    const again = (secrets: Record<string, string>) =>
      server.tasks.submit(task(secrets, { idempotencyKey: 'again' }), bob);
    const id = await again({ A: 'env:NPM' });
    delete env.NPM;
    expect(await again({ A: 'env:NPM' })).toBe(id);
    expect(read).toEqual(['env:NPM']);
    await expect(again({ A: 'env:BOBS' })).rejects.toMatchObject({ code: 'conflict' });
    await expect(again({ B: 'env:NPM' })).rejects.toMatchObject({ code: 'conflict' });
    await ended(server, id, bob);
  });

  test('a value that changed is the same request', async () => {
    const env = { NPM: 'old' };
    const { server } = serverWith(env);
    const again = () => server.tasks.submit(task({ A: 'env:NPM' }, { idempotencyKey: 'rotated' }), alice);
    const id = await again();
    env.NPM = 'new';
    expect(await again()).toBe(id);
    await ended(server, id);
  });

  test('one that cannot be read starts nothing; the same call goes on when it can', async () => {
    const env: Record<string, string> = {};
    const { server } = serverWith(env);
    const submit = () => server.tasks.submit(task({ A: 'env:NPM' }, { idempotencyKey: 'later' }), alice);
    await expect(submit()).rejects.toMatchObject({
      code: 'secret_unavailable',
      message: expect.stringContaining('env:NPM'),
    });
    env.NPM = 'x';
    expect((await ended(server, await submit())).result?.error?.code).toBe('command_failed');
  });

  test('one that cannot be read leaves nothing behind: its idempotency key is free for another request', async () => {
    const env: Record<string, string> = { BOBS: 'x' };
    const { server } = serverWith(env);
    // What everything else needs is made by the first request of all.
    await ended(server, await server.tasks.submit(task({}, { idempotencyKey: 'of before' }), bob), bob);
    const before = await everyKey(state.yard!);
    const submit = (secrets: Record<string, string>) =>
      server.tasks.submit(task(secrets, { idempotencyKey: 'still free' }), bob);
    await expect(submit({ A: 'env:NPM' })).rejects.toMatchObject({ code: 'secret_unavailable' });
    expect(await everyKey(state.yard!)).toEqual(before);
    const id = await submit({ A: 'env:BOBS' });
    expect((await ended(server, id, bob)).result?.error?.code).toBe('command_failed');
    expect(await submit({ A: 'env:BOBS' })).toBe(id);
  });

  test('a value that no variable can hold is refused, and all together too', async () => {
    const { server } = serverWith({ NPM: 'x'.repeat(100_001) });
    const tooLong = server.tasks.submit(task({ A: 'env:NPM' }), alice);
    await expect(tooLong).rejects.toMatchObject({ code: 'secret_unavailable' });
    const { server: other } = serverWith({ NPM: 'x'.repeat(99_000) });
    const many = Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`A${at}`, 'env:NPM']));
    await expect(other.tasks.submit(task(many), alice)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('stand in no object of the store but sealed', async () => {
    const { server } = serverWith({ NPM: 'a-value-that-nobody-sees' });
    const id = await server.tasks.submit(task({ A: 'env:NPM' }), alice);
    await ended(server, id);
    const { home, store } = state.yard!;
    expect(String(await store.read(keys.record(id)))).toContain(id);
    for (const text of ['a-value-that-nobody-sees', 'env:NPM']) expect(filesHolding(home, text)).toEqual([]);
  });
});
