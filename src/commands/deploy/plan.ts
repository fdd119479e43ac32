import { costLines } from './cost.ts';
import { type Grant, grantsOf } from './grants.ts';
import { type Installation, names } from './installation.ts';
import type { Paper, Sign } from './print.ts';
import { GoogleRefusal } from './refusal.ts';
import { inWords } from './roles.ts';
import type { Found, Step } from './step.ts';

/** What a step of the plan is known to be; without a look at the project everything is missing. */
type Known = Found | { readonly state: 'unknown'; readonly refusal: GoogleRefusal };

/** What stands between the plan and the project. */
const offline = ['credentials', 'unreachable', 'project_missing', 'quota_project'];

/**
 * Prints all that a deployment would make, how, who may do what, and what it costs. Changes nothing. Resolves to the
 * exit code: 1 where Google refused a look that a deployment needs too.
 */
export async function printPlan(installation: Installation, steps: readonly Step[], paper: Paper): Promise<number> {
  const { place } = installation;
  paper.line();
  paper.heading(
    `Runyard in project ${place.project}, ${place.region}: what "runyard deploy" makes. Nothing is changed now.`,
  );
  const { known, obstacle } = await lookAtAll(steps);
  if (obstacle !== undefined) {
    paper.line(`  ${obstacle.message} So this is the plan for an empty project. ${obstacle.hint}`);
  }
  paper.line();
  for (const [index, step] of steps.entries()) printStep(step, known[index] ?? { state: 'missing' }, paper);
  printRoles(installation, paper);
  paper.heading('What it costs');
  for (const line of costLines(installation.withService)) paper.detail(line);
  paper.line();
  return obstacle?.obstacle === 'project_missing' || known.some(({ state }) => state === 'unknown') ? 1 : 0;
}

async function lookAtAll(steps: readonly Step[]): Promise<{ known: Known[]; obstacle: GoogleRefusal | undefined }> {
  const known: Known[] = [];
  for (const step of steps) {
    const found = await lookAt(step);
    if (known.length === 0 && found.state === 'unknown' && offline.includes(found.refusal.obstacle)) {
      return { known: [], obstacle: found.refusal };
    }
    known.push(found);
  }
  return { known, obstacle: undefined };
}

async function lookAt(step: Step): Promise<Known> {
  try {
    return await step.look();
  } catch (error) {
    if (!(error instanceof GoogleRefusal)) throw error;
    // Of an API that is not enabled, nothing can be there.
    return error.obstacle === 'api_disabled' ? { state: 'missing' } : { state: 'unknown', refusal: error };
  }
}

const signOf = { there: 'done', missing: 'make', differs: 'change', unknown: 'unknown' } as const satisfies Record<
  Known['state'],
  Sign
>;

function printStep({ title, makes, gcloud }: Step, known: Known, paper: Paper): void {
  paper.item(signOf[known.state], title, stateInWords(known));
  if (known.state === 'unknown') paper.detail(`${known.refusal.message} ${known.refusal.hint}`);
  if (known.state === 'there' && known.note !== undefined) paper.detail(known.note);
  if (known.state !== 'there') for (const line of makes) paper.detail(line);
  for (const line of gcloud) paper.detail(`$ ${line}`);
  paper.line();
}

function stateInWords(known: Known): string {
  switch (known.state) {
    case 'there':
      return 'is there';
    case 'missing':
      return 'will be made';
    case 'differs':
      return `will be changed: ${known.how}`;
    case 'unknown':
      return 'could not be looked at';
  }
}

function printRoles(installation: Installation, paper: Paper): void {
  paper.heading('Who may do what');
  const rows = grantsOf(installation).map((grant) => [
    names.accountId(grant.account),
    grant.role,
    whereOf(grant),
    grant.why,
  ]);
  for (const row of aligned([['account', 'role', 'on', 'why'], ...rows])) paper.detail(row);
  paper.line();
}

/** Such as `the bucket b, below tasks/`. */
export function whereOf({ on, condition }: Grant): string {
  const prefix = condition === undefined ? undefined : /objects\/([^']+)'/.exec(condition.expression)?.[1];
  return prefix === undefined ? inWords(on) : `${inWords(on)}, below ${prefix}`;
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
