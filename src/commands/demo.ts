import { styleText } from 'node:util';
import { claudeScene, type Scene, scenes } from './demo/scenes.ts';
import { type DemoYard, openYard, serveArguments } from './demo/yard.ts';

type Style = Parameters<typeof styleText>[0];

/** Shows the product itself at work. Exit code 1 if anything was not as said. */
export async function demo(): Promise<number> {
  print('');
  print(styled('bold', '  Runyard: a disposable computer for any agent'));
  print(styled('dim', '  A real server, the official MCP client, real programs in a real sandbox.'));
  print('');
  const startedAt = performance.now();
  const yard = await openYard();
  try {
    const names = (await yard.listTools()).map((tool) => tool.name);
    heading('✔', 'green', `The server is up and speaks MCP ${yard.protocol}`, performance.now() - startedAt);
    body(`${names.length} tools: ${names.join(', ')}`);
    const hasKey = Boolean(process.env.ANTHROPIC_API_KEY || process.env.CLAUDE_CODE_OAUTH_TOKEN);
    const failures = await playAll(yard, hasKey ? [...scenes, claudeScene] : scenes);
    if (!hasKey) tellHowToGiveAKey();
    return conclude(failures, performance.now() - startedAt);
  } finally {
    await yard.close();
  }
}

async function playAll(yard: DemoYard, all: readonly Scene[]): Promise<number> {
  let failures = 0;
  for (const scene of all) {
    const lines: string[] = [];
    const startedAt = performance.now();
    const complaints = await scene.play(yard, (line) => lines.push(line));
    heading(
      complaints.length === 0 ? '✔' : '✘',
      complaints.length === 0 ? 'green' : 'red',
      scene.title,
      performance.now() - startedAt,
    );
    for (const line of lines) body(line);
    for (const complaint of complaints) print(styled('red', `      not as said: ${complaint}`));
    failures += complaints.length === 0 ? 0 : 1;
  }
  return failures;
}

function tellHowToGiveAKey(): void {
  print(`  ${styled('yellow', '○')} Claude Code in the sandbox: not shown, no model key is in the environment`);
  body('give one and run it again:  ANTHROPIC_API_KEY=sk-ant-... npm run demo');
}

function conclude(failures: number, totalMs: number): number {
  print('');
  if (failures === 0) print(styled('green', `  Everything was as said, in ${duration(totalMs)}.`));
  else
    print(styled('red', `  ${failures} of the scenes were not as said. "npx runyard doctor" tells what is missing.`));
  print(styled('dim', `  Next: claude mcp add runyard -- ${[process.execPath, ...serveArguments].join(' ')}`));
  print('');
  return failures === 0 ? 0 : 1;
}

function heading(mark: string, colour: Style, title: string, ms: number): void {
  print(`  ${styled(colour, mark)} ${title.padEnd(48)} ${styled('dim', duration(ms).padStart(8))}`);
}

function body(line: string): void {
  print(styled('dim', `      ${line}`));
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
