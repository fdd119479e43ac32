import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tools } from '../../src/tools/index.ts';
import { type AnyClient, connectHttp, connectStdio, eras } from './clients.ts';
import { makeHome, removeHome, startServer, type TestServer } from './server.ts';

const home = makeHome();
const shared: { server?: TestServer } = {};
beforeAll(async () => {
  shared.server = await startServer({ home });
});
afterAll(async () => {
  await shared.server?.stop();
  removeHome(home);
});

const ways = eras.flatMap((era) => [
  { era, wire: 'stdio', connect: () => connectStdio(era, home) },
  { era, wire: 'HTTP', connect: () => connectHttp(era, shared.server!.url, shared.server!.token()) },
]);

describe.each(ways)('$era client over $wire', ({ connect }) => {
  const at: { client?: AnyClient } = {};
  beforeAll(async () => {
    at.client = await connect();
  });
  afterAll(() => at.client?.close());

  test('sees every tool with title, hints and output schema, and the instructions', async () => {
    const listed = (await at.client!.listTools()).tools;
    expect(listed.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
    for (const tool of listed) {
      expect(tool.annotations).toMatchObject({ title: expect.any(String), readOnlyHint: expect.any(Boolean) });
      expect(tool.outputSchema).toMatchObject({ type: 'object', required: expect.any(Array) });
    }
    expect(at.client!.instructions()).toContain('execute_code');
  });

  test('runs a program and gets text and structured content', async () => {
    const { isError, structuredContent, content } = await at.client!.callTool('execute_code', {
      language: 'python',
      code: 'print(6 * 7)',
    });
    expect(isError).toBeFalsy();
    expect(structuredContent).toMatchObject({ status: 'succeeded', success: true, exit_code: 0, stdout: '42\n' });
    expect(content[0]?.text).toContain('42');
  });

  test('a program that fails is a normal result', async () => {
    const result = await at.client!.callTool('execute_code', { language: 'bash', code: 'echo no >&2; exit 3' });
    expect(result.isError).toBeFalsy();
    expect(result.structuredContent).toMatchObject({ success: false, status: 'failed', exit_code: 3, stderr: 'no\n' });
  });

  test('bad input is a tool error that names the field', async () => {
    const result = await at.client!.callTool('execute_code', { language: 'cobol', code: 'x' });
    expect(result.isError).toBe(true);
    expect(result.content[0]?.text).toMatch(/^invalid_request: language: /);
  });

  test('an unknown tool is a protocol error', async () => {
    await expect(at.client!.callTool('launch_rocket', {})).rejects.toMatchObject({ code: -32602 });
  });

  test('reads an artifact as a resource, by its uri', async () => {
    const { structuredContent } = await at.client!.callTool('execute_code', {
      language: 'bash',
      code: 'echo hello > output/a.txt',
    });
    expect(structuredContent).toMatchObject({ artifacts: [{ path: 'output/a.txt', text: 'hello\n' }] });
    const uri = `runyard://tasks/${structuredContent?.task_id}/runs/0/artifacts/output/a.txt`;
    expect(await at.client!.readResource(uri)).toMatchObject({
      contents: [{ uri, mimeType: 'text/plain', text: 'hello\n' }],
    });
    const { resourceTemplates } = await at.client!.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      'runyard://tasks/{task_id}/runs/{run}/artifacts/{+path}',
    ]);
    await expect(at.client!.readResource(`${uri}x`)).rejects.toThrow(/no such artifact/i);
  });
});
