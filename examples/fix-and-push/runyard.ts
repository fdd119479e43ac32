import { z } from 'zod';

export interface Runyard {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** A key of the server, or the token in `~/.runyard/http-token`. */
  readonly token: string;
}

/** The output of a Claude task that has ended; of a repository only what became of it. */
const ended = z.object({
  success: z.boolean(),
  response: z.string(),
  cost_usd: z.number().nullable(),
  git: z
    .object({
      ...{ sha: z.string(), branch: z.string().optional(), pushed: z.boolean() },
      diff_stat: z.object({ files: z.int(), insertions: z.int(), deletions: z.int() }).optional(),
    })
    .optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type Ended = z.infer<typeof ended>;

const started = z.object({ task_id: z.string() });
const news = z.object({
  lines: z.array(z.object({ stream: z.string(), text: z.string().optional() })),
  next_cursor: z.string(),
  result: ended.optional(),
});
const problem = z.object({ code: z.string(), detail: z.string(), hint: z.string() });

/**
 * Starts a Claude task and follows it to its end, however long that takes: no request is open for longer than 45 s, and
 * the task goes on where one is lost. Throws an Error with the server's sentence where the task is refused.
 */
export async function runClaudeTask(runyard: Runyard, input: object, onLine: (line: string) => void): Promise<Ended> {
  const { task_id } = started.parse(await callTool(runyard, 'run_claude_task', { ...input, wait_seconds: 0 }));
  onLine(task_id);
  for (let cursor = 'start'; ; ) {
    const page = news.parse(await callTool(runyard, 'get_task_logs', { task_id, cursor, wait_seconds: 45 }));
    for (const { stream, text } of page.lines) if (text !== undefined) onLine(`${stream}: ${text}`);
    if (page.result !== undefined && page.lines.length === 0) return page.result;
    cursor = page.next_cursor;
  }
}

// --- Internal helpers ---

async function callTool({ url, token }: Runyard, tool: string, input: object): Promise<unknown> {
  const response = await fetch(`${url}/v1/tools/${tool}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(input),
  });
  const answer: unknown = await response.json();
  if (response.ok) return answer;
  const { code, detail, hint } = problem.parse(answer);
  throw new Error(`${code}: ${detail} ${hint}`);
}
