import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Prints what all reviews that have ended found, as one Markdown table, the worst first, and which ones failed. */

const severities = ['high', 'medium', 'low'] as const;

const finding = z.object({
  severity: z.enum(severities),
  file: z.string(),
  line: z.int(),
  title: z.string(),
  advice: z.string(),
});
type Row = z.infer<typeof finding> & { readonly repository: string };

const result = z.discriminatedUnion('success', [
  z.object({ success: z.literal(true), structured_output: z.object({ findings: z.array(finding) }) }),
  z.object({ success: z.literal(false), error: z.object({ code: z.string(), message: z.string() }) }),
]);

const [dir] = process.argv.slice(2);

if (dir === undefined) {
  console.error('Usage: node examples/review-repository/findings.ts DIR');
  process.exitCode = 2;
} else {
  const ended = readdirSync(dir).filter((repository) => existsSync(join(dir, repository, 'result.json')));
  const reviews = ended.map((repository) => ({
    repository,
    ...result.parse(JSON.parse(readFileSync(join(dir, repository, 'result.json'), 'utf8'))),
  }));
  const rows = reviews.flatMap((review): Row[] =>
    review.success ? review.structured_output.findings.map((each) => ({ repository: review.repository, ...each })) : [],
  );
  rows.sort((one, other) => severities.indexOf(one.severity) - severities.indexOf(other.severity));
  console.log('| severity | repository | where | what | advice |\n| --- | --- | --- | --- | --- |');
  for (const { severity, repository, file, line, title, advice } of rows) {
    console.log(`| ${[severity, repository, `${file}:${line}`, title, advice].map(cell).join(' | ')} |`);
  }
  for (const review of reviews) {
    if (!review.success) console.log(`\n${review.repository} was not reviewed: ${cell(review.error.message)}`);
  }
}

// --- Internal helpers ---

/** Words of a model, about code of strangers: none of them ends its cell or becomes a tag. */
function cell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
