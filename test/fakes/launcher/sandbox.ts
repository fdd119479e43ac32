import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startCell } from './cell.ts';
import { type Flags, readFlags } from './flags.ts';
import type { LauncherSettings } from './instance.ts';

/** The program itself: `sandbox.ts INSTANCE VERB ...`. See the README for the rules it keeps. */

const [, , instance = '', verb = '', ...args] = process.argv;
const settings: LauncherSettings = JSON.parse(readFileSync(`${instance}/settings.json`, 'utf8'));
const folderOf = (name: string) => `${instance}/sandboxes/${name}`;
const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(): Promise<number> {
  appendFileSync(`${instance}/calls`, `${JSON.stringify([verb, ...args])}\n`);
  const flags = readFlags(verb, args);
  if (verb === 'delete') return remove(flags);
  if (verb === 'exec') return execute(flags);
  return run({ ...flags, name: flags.name ?? `do-${process.pid}` });
}

async function run(flags: Flags & { readonly name: string }): Promise<number> {
  const { name } = flags;
  try {
    mkdirSync(folderOf(name));
  } catch {
    throw new Error(`sandbox "${name}" already exists`);
  }
  await delay(settings.delayMs ?? 0);
  if (takeLostStart()) {
    rmSync(folderOf(name), { recursive: true });
    say(`failed to exec in container "${name}": exit status 137`);
    return 137;
  }
  process.stdout.write(settings.chatter ?? '');
  const stage = `${instance}/stages/${name}`;
  const cell = startCell({ flags, stage, sharesNetwork: settings.sharesNetwork ?? false });
  if (settings.saysGarbage === true) void sayGarbageWhenTold();
  const ended = new Promise<number>((resolve) => {
    cell.child.once('exit', (code) => resolve(code ?? 137));
    cell.child.once('error', () => resolve(1));
  });
  try {
    writeFileSync(`${folderOf(name)}/pid`, String(await cell.pid));
  } catch (error) {
    await ended;
    rmSync(folderOf(name), { recursive: true });
    throw error;
  }
  if (flags.detach) {
    cell.child.unref();
    return 0;
  }
  const code = await ended;
  say(`W sandbox.go:212] network namespace "${name}" is busy, tearing down anyway`);
  rmSync(folderOf(name), { recursive: true, force: true });
  rmSync(stage, { recursive: true, force: true });
  leaveSurvivor();
  return code;
}

async function sayGarbageWhenTold(): Promise<void> {
  while (!existsSync(`${instance}/garbage`)) await delay(50, undefined, { ref: false });
  process.stdout.write('what is this?\n');
}

/** Not the program's own: something of the launcher's that has the same pipes. */
function leaveSurvivor(): void {
  const { survivorMs = 0 } = settings;
  if (survivorMs === 0) return;
  spawn('sleep', [String(survivorMs / 1000)], { stdio: ['ignore', 'inherit', 'inherit'], detached: true }).unref();
}

function takeLostStart(): boolean {
  const path = `${instance}/lost`;
  const lost = Number(readOr(path, '0'));
  if (lost >= (settings.lostStarts ?? 0)) return false;
  writeFileSync(path, String(lost + 1));
  return true;
}

/** Joins the namespaces of the sandbox's first process. The exit code is lost, as it is with the real one. */
function execute({ name = '', command, workdir, env }: Flags): number {
  const pid = readOr(`${folderOf(name)}/pid`, '');
  if (pid === '') throw new Error(`sandbox "${name}" is not running`);
  const join = ['--target', pid, '--user', '--mount', '--pid', '--net', '--ipc', '--uts', '--cgroup', '--root'];
  const inside = ['/usr/bin/env', '-i', '-C', workdir, 'HOME=/root', ...env, ...command];
  const { status } = spawnSync('nsenter', [...join, '--wd=/', '--', ...inside], { stdio: 'inherit', env: {} });
  return status === 0 ? 0 : 141;
}

async function remove({ name = '', force }: Flags): Promise<number> {
  const pid = Number(readOr(`${folderOf(name)}/pid`, '0'));
  if (pid > 0 && !force) throw new Error(`sandbox "${name}" is running, use --force`);
  if (pid > 0 && !settings.deleteDoesNothing) {
    process.kill(pid, 'SIGKILL');
    rmSync(folderOf(name), { recursive: true, force: true });
  }
  if (settings.deleteHangs) await delay(90_000);
  return 0;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(`Error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
