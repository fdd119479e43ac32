import type { Client } from '@modelcontextprotocol/client';
import { z } from 'zod';

/** A filter and what it gives for this data, or why it gives nothing. Never what the model believes that it gives. */
export type VerifiedFilter =
  | { readonly filter: string; readonly output: unknown[] }
  | { readonly filter: string; readonly error: string };

const proposal = z.object({ filter: z.string() });

const claudeEnd = z.discriminatedUnion('success', [
  z.object({ success: z.literal(true), structured_output: proposal }),
  z.object({ success: z.literal(false), error: z.object({ code: z.string(), message: z.string() }) }),
]);
const codeEnd = z.object({
  exit_code: z.int().nullable(),
  stdout: z.string(),
  stderr: z.string(),
  truncated: z.boolean().optional(),
});

/** The model proposes, a second sandbox with nothing of the model's in it but the filter runs it. */
export async function verifiedFilter(client: Client, data: string, wish: string): Promise<VerifiedFilter> {
  const { filter } = await propose(client, data, wish);
  return { filter, ...(await run(client, data, filter)) };
}

// --- Internal helpers ---

async function propose(client: Client, data: string, wish: string): Promise<z.infer<typeof proposal>> {
  const end = claudeEnd.parse(
    await callTool(client, 'run_claude_task', {
      prompt: `data.json holds what a jq filter is to be applied to. Write the filter that gives: ${wish}`,
      files: [{ path: 'data.json', content: data }],
      output_schema: z.toJSONSchema(proposal),
      model: 'claude-sonnet-5-5',
      max_budget_usd: 1,
      timeout_seconds: 280,
    }),
  );
  if (end.success) return end.structured_output;
  throw new Error(`No filter was proposed: ${end.error.message}`);
}

/** The filter is a file, so that no shell reads it. */
async function run(client: Client, data: string, filter: string): Promise<{ output: unknown[] } | { error: string }> {
  const { exit_code, stdout, stderr, truncated } = codeEnd.parse(
    await callTool(client, 'execute_code', {
      language: 'bash',
      code: 'exec jq --compact-output --from-file filter.jq data.json',
      files: [
        { path: 'data.json', content: data },
        { path: 'filter.jq', content: filter },
      ],
      timeout_seconds: 20,
    }),
  );
  if (exit_code === 127) throw new Error('There is no jq in the sandbox; install it where Runyard runs.');
  if (exit_code !== 0) return { error: stderr.trim() || `jq ended with ${exit_code ?? 'no exit code'}` };
  if (truncated === true) return { error: 'It gives more than 32 KiB.' };
  return {
    output: stdout
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  };
}

const waitSeconds = 300;

const toolResult = z.object({
  isError: z.boolean().optional(),
  content: z.array(z.looseObject({ text: z.string().optional() })),
  structuredContent: z.looseObject({}).optional(),
});

/** Waits for the end: both tasks are done sooner than a call may last. */
async function callTool(client: Client, name: string, input: object): Promise<unknown> {
  const call = { name, arguments: { ...input, wait_seconds: waitSeconds } };
  const result = toolResult.parse(await client.callTool(call, { timeout: (waitSeconds + 10) * 1000 }));
  if (result.isError === true) throw new Error(result.content[0]?.text);
  return result.structuredContent;
}
