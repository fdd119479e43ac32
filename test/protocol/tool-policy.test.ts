import { existsSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { instructions } from '../../src/server/instructions.ts';
import { mcpTools } from '../../src/specs/mcp-tools.ts';
import { messagesApiTools } from '../../src/specs/messages-api.ts';
import { openApi } from '../../src/specs/openapi.ts';
import { tools } from '../../src/tools/index.ts';

const listed = mcpTools(tools).tools;
const fileOf = (name: string) => new URL(`../../src/tools/${name.replaceAll('_', '-')}.ts`, import.meta.url);
const tokens = (values: readonly unknown[]) =>
  values.reduce<number>((sum, each) => sum + JSON.stringify(each).length / 4, 0);

test('there is each tool once, and its file has its name', () => {
  expect(listed.map(({ name }) => name)).toEqual([
    'execute_code',
    'run_claude_task',
    'get_task_logs',
    'read_artifact',
    'cancel_task',
    'list_tasks',
    'github_create_issue',
  ]);
  for (const { name } of listed) expect(existsSync(fileOf(name)), name).toBe(true);
});

test('all definitions together cost a client little', () => {
  const inputs = listed.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
  const outputs = listed.map(({ outputSchema }) => outputSchema);
  expect(tokens(inputs)).toBeLessThanOrEqual(2_500);
  expect(tokens(inputs) + tokens(outputs)).toBeLessThanOrEqual(4_000);
  expect(Buffer.byteLength(instructions)).toBeLessThanOrEqual(2_048);
});

describe.each(listed.map((tool) => [tool.name, tool] as const))('%s', (name, tool) => {
  test('says in words what it is', () => {
    expect(name).toMatch(/^[a-z][a-z0-9_]{2,29}$/);
    expect(tool.title).toMatch(/^[A-Z]/);
    expect(tool.description.length).toBeLessThan(1_000);
    expect(tool.description.length).toBeGreaterThan(10);
  });

  test('gives all four hints, and they do not contradict each other', () => {
    const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = tool.annotations;
    for (const hint of [readOnlyHint, destructiveHint, idempotentHint, openWorldHint])
      expect(hint).toBeTypeOf('boolean');
    if (readOnlyHint)
      expect({ destructiveHint, idempotentHint }).toEqual({ destructiveHint: false, idempotentHint: true });
  });

  test('prior E3a: refuses unknown fields at every level of its input', () => {
    const open = objectsOf(tool.inputSchema).filter(
      (object) => 'properties' in object && object.additionalProperties !== false,
    );
    expect(open).toEqual([]);
  });

  test.each(['inputSchema', 'outputSchema'] as const)('has a portable %s', (kind) => {
    const schema = tool[kind];
    expect(Object.keys(schema).filter((key) => /Of$|^\$|^if$|^not$/.test(key))).toEqual([]);
    expect(objectsOf(schema).filter(({ type }) => Array.isArray(type))).toEqual([]);
    for (const ajv of [new Ajv2020({ strict: true }), new Ajv({ strict: true })]) {
      expect(ajv.validateSchema(schema), JSON.stringify(ajv.errors)).toBe(true);
      expect(() => ajv.compile(schema)).not.toThrow();
    }
  });

  test('requires of its output what every answer of it has', () => {
    const required: Record<string, string[]> = {
      read_artifact: ['path', 'mime_type', 'size_bytes', 'uri'],
      list_tasks: ['tasks', 'next_cursor'],
      github_create_issue: ['success', 'issue_number', 'issue_url'],
    };
    expect(tool.outputSchema.required).toEqual(required[name] ?? ['task_id', 'status']);
  });
});

test('what comes from untrusted programs is called untrusted where a model reads of the tool', () => {
  for (const name of ['execute_code', 'run_claude_task', 'get_task_logs', 'read_artifact']) {
    expect(listed.find((tool) => tool.name === name)?.description).toContain('untrusted data');
  }
  expect(instructions).toContain('untrusted');
});

test('prior B5a: the generated files are in step with the tools (else: runyard specs)', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const read = (name: string) => JSON.parse(readFileSync(new URL(`../../tool-specs/${name}`, import.meta.url), 'utf8'));
  expect(read('mcp-tools.json')).toEqual(mcpTools(tools));
  expect(read('messages-api.json')).toEqual(messagesApiTools(tools));
  expect(read('openapi.json')).toEqual(openApi(tools, { version }));
});

test('a tool of the Messages API has the same input schema as its MCP twin', () => {
  expect(messagesApiTools(tools).map(({ name, input_schema }) => [name, input_schema])).toEqual(
    listed.map(({ name, inputSchema }) => [name, inputSchema]),
  );
});

/** Every object of a JSON document, the outermost first. */
function objectsOf(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = Array.isArray(value) ? [] : [{ ...value }];
  return [...own, ...Object.values(value).flatMap(objectsOf)];
}
