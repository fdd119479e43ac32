import { z } from 'zod';
import { type Call, defineTool } from './define-tool.ts';
import { boundedText, notEmpty } from './params/text.ts';
import type { ToolServices } from './services.ts';

const names = z.array(notEmpty(boundedText(400, '400 bytes')));

export const githubCreateIssue = defineTool({
  name: 'github_create_issue',
  title: 'Create a GitHub issue',
  description: 'Creates an issue in a GitHub repository. Each call makes a new one.',
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  input: z.strictObject({
    repo: z
      .string()
      .regex(/^[\w-]{1,100}\/(?!\.{1,2}$)[\w.-]{1,100}$/, 'is not "owner/name"')
      .describe('owner/name'),
    title: notEmpty(boundedText(1024, '1,024 bytes')).refine((text) => !/[\r\n]/.test(text), 'must be one line'),
    body: boundedText(256 * 1024, '256 KiB'),
    labels: names.max(100, 'must hold at most 100 labels').optional(),
    assignees: names.max(10, 'must hold at most 10 names').optional(),
  }),
  output: z.object({ success: z.boolean(), issue_number: z.int(), issue_url: z.string() }),
  async handle(
    { repo, title, body, labels, assignees },
    { caller, signal }: Call,
    { issues }: Pick<ToolServices, 'issues'>,
  ) {
    const issue = {
      repo,
      title,
      body,
      ...(labels === undefined ? {} : { labels }),
      ...(assignees === undefined ? {} : { assignees }),
    };
    const { number, url } = await issues.createIssue(issue, signal, caller.credentials?.github_token);
    return { success: true, issue_number: number, issue_url: url };
  },
  tell: ({ issue_number, issue_url }) => `Created issue ${issue_number}: ${issue_url}`,
});
