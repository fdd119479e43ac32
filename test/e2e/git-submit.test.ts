import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RepositorySpec } from '../../src/contracts/repository.ts';
import type { SecretDeclaration } from '../../src/contracts/secrets.ts';
import type { NewTask } from '../../src/contracts/task-service.ts';
import { createEnvironmentSecrets } from '../../src/secrets/environment.ts';
import type { SecretSource } from '../../src/tasks/task-secrets.ts';
import { openRepositories, type Repositories, startGitServer } from '../fakes/git-server.ts';
import { filesHolding } from './served.ts';
import { alice, bob, createYard, ended, setupTask, type Yard } from './yard.ts';

/** The field `repo` of a task, from submit to the clone. What claude itself does is of no account here. */

const token = 'a-token-that-nobody-sees';
const state: { yard?: Yard; repositories?: Repositories } = {};
beforeAll(() => {
  state.yard = createYard();
  state.repositories = openRepositories();
});
afterAll(async () => {
  await state.yard?.remove();
  state.repositories?.remove();
});

function source(declarations: SecretDeclaration[], env: Record<string, string> = { GIT: token }): SecretSource {
  return { secrets: createEnvironmentSecrets(env), secretDeclarations: declarations };
}

function task(repo: Partial<RepositorySpec> & { readonly url: string }): NewTask {
  return setupTask({ repo: { depth: 1, ...repo }, setupCommands: ['cat a.txt; exit 7'] });
}

describe('the repository of a task', () => {
  const git = (host: string, port?: number): SecretDeclaration => ({
    reference: 'env:GIT',
    uses: [{ use: 'git', host, ...(port === undefined ? {} : { port }) }],
    owner: alice.owner,
  });

  test.each<[string, SecretDeclaration[], string]>([
    ['declared for another host', [git('gitlab.com')], 'https://github.com/o/r'],
    ['declared for another port', [git('github.com')], 'https://github.com:8443/o/r'],
    ['declared for another use', [{ reference: 'env:GIT', uses: [{ use: 'env' }] }], 'https://github.com/o/r'],
    ['not declared', [], 'git@github.com:o/r'],
  ])('T6: a secret that is %s is refused', async (_, declarations, url) => {
    const { tasks } = state.yard!.server(undefined, source(declarations));
    await expect(tasks.submit(task({ url, secret: 'env:GIT' }), alice)).rejects.toMatchObject({ code: 'forbidden' });
  });

  test("T6: another owner's secret is refused", async () => {
    const { tasks } = state.yard!.server(undefined, source([git('github.com')]));
    const submit = tasks.submit(task({ url: 'https://github.com/o/r', secret: 'env:GIT' }), bob);
    await expect(submit).rejects.toMatchObject({ code: 'forbidden' });
  });

  test.each([
    ['plain http', 'http://github.com/o/r', 'egress_denied'],
    ['an address', 'https://127.0.0.1/o/r', 'egress_denied'],
    ['ssh without a key', 'git@github.com:o/r', 'invalid_request'],
  ])('D6: %s is refused before anything starts', async (_, url, code) => {
    const { tasks } = state.yard!.server();
    await expect(tasks.submit(task({ url }), alice)).rejects.toMatchObject({ code });
  });

  test('what is declared and allowed is sealed, brought, and found nowhere else', async () => {
    state.repositories!.create('real', { 'a.txt': 'from the repository\n' });
    const server = await startGitServer(state.repositories!.dir, { password: token });
    try {
      const yard = state.yard!.server(undefined, source([git('127.0.0.1', server.port)]), undefined, [
        { host: '127.0.0.1', port: server.port },
      ]);
      const id = await yard.tasks.submit(task({ url: `${server.url}/real`, secret: 'env:GIT' }), alice);
      const { result } = await ended(yard, id);
      expect(result).toMatchObject({
        error: { code: 'command_failed' },
        stdout: expect.stringContaining('from the repository'),
      });
      for (const text of [token, 'env:GIT']) expect(filesHolding(state.yard!.home, text)).toEqual([]);
    } finally {
      await server.close();
    }
  });
});
