import { expect, test } from 'vitest';
import { z } from 'zod';
import { onEngine } from './engine.ts';

const artifactList = z.array(z.looseObject({ path: z.string(), size_bytes: z.number() }));

onEngine('read_artifact', (tools) => {
  const run = (code: string) => tools().call('execute_code', { language: 'python', code });

  test('row 18: text is read in pages, each of whole characters', async () => {
    const { task_id } = await run('open("output/long.txt", "w").write("ü" * 20_000)');
    const pages: string[] = [];
    for (let offset: unknown = 0; offset !== undefined; ) {
      const page = await tools().call('read_artifact', { task_id, path: 'output/long.txt', offset, limit: 9_999 });
      expect(page).toMatchObject({ path: 'output/long.txt', mime_type: 'text/plain', size_bytes: 40_000 });
      pages.push(String(page.text));
      offset = page.next_offset;
    }
    expect(pages.length).toBe(5);
    expect(pages.join('')).toBe('ü'.repeat(20_000));
  });

  test('prior E5c: by the path of the list, whatever bytes its name has, and as deep as it lies', async () => {
    const code = `
import os
open(b'output/' + b'\\xff' * 250, 'w').write('odd')
os.makedirs('output/a/b')
open('output/a/b/c.bin', 'wb').write(bytes(range(256)))
os.symlink('/etc/passwd', 'output/link')
`;
    const { task_id, artifacts } = await run(code);
    const [odd, deep, ...others] = artifactList.parse(artifacts);
    expect(others).toEqual([]);
    expect(await tools().call('read_artifact', { task_id, path: odd!.path })).toMatchObject({ text: 'odd' });
    expect(deep).toMatchObject({ path: 'output/a/b/c.bin', size_bytes: 256 });
    expect(await tools().call('read_artifact', { task_id, path: deep!.path })).not.toHaveProperty('text');
  });

  test('as a resource of the protocol too', async () => {
    const { task_id } = await run('open("output/a.txt", "w").write("read")');
    const { uri } = await tools().call('read_artifact', { task_id, path: 'output/a.txt' });
    const { contents } = await tools().client.readResource({ uri: String(uri) });
    expect(contents).toMatchObject([{ uri, text: 'read' }]);
  });

  test('one that is not there is said to be not there', async () => {
    const { task_id } = await run('print(1)');
    expect(await tools().refusal('read_artifact', { task_id, path: 'output/none' })).toMatch(/^not_found: /);
  });
});
