// node:child_process and not execa: a container's client is a long-lived pair of pipes, and the rest are one-line commands.
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { findProgram } from '../../lib/find-program.ts';
import { engineEnvironment } from '../shared/engine-environment.ts';
import { engineFailure, engineMissing } from './messages.ts';

export type EngineKind = 'podman' | 'docker';
export type Client = ChildProcessByStdio<Writable, Readable, Readable>;

/** The program that makes containers, as its command line. */
export interface Engine {
  readonly kind: EngineKind;
  /** As it is typed, for the commands that people are told. */
  readonly name: string;
  readonly version: string;
  /** Whether it keeps limits for a container as a whole. */
  readonly limits: boolean;
  /** What one command prints. Rejects with `sandbox_unavailable` in our words. */
  run(args: readonly string[], timeoutMs?: number): Promise<string>;
  start(args: readonly string[]): Client;
}

const names = ['podman', 'docker'] as const;
const commandTimeoutMs = 30_000;

/**
 * The engines that answer, in the order of preference. Throws `sandbox_unavailable` with the reason of the first that
 * does not, or with how to install one.
 */
export async function findEngines(env: Readonly<Record<string, string | undefined>>): Promise<readonly Engine[]> {
  const clientEnv = engineEnvironment(env);
  const found = names.flatMap((name) => {
    const path = findProgram(name, env.PATH ?? '');
    return path === undefined ? [] : [{ name, path }];
  });
  if (found.length === 0) throw engineMissing();
  const answers = await Promise.allSettled(found.map(({ name, path }) => reach(name, path, clientEnv)));
  const engines = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [refusal] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  if (engines.length === 0) throw refusal;
  return engines;
}

async function reach(name: string, path: string, env: NodeJS.ProcessEnv): Promise<Engine> {
  // A package of podman's brings a `docker` that is podman.
  const version = await command(path, ['--version'], { name, env });
  const kind = /podman/i.test(version) ? 'podman' : 'docker';
  const { flags, limits } = kind === 'podman' ? await podmanHere(path, name, env) : await dockerHere(path, name, env);
  return {
    kind,
    name,
    version: version.trim(),
    limits,
    run: (args, timeoutMs) => command(path, [...flags, ...args], { name, env, timeoutMs }),
    start: (args) => spawn(path, [...flags, ...args], { env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] }),
  };
}

interface Here {
  /** What stands before every command. */
  readonly flags: readonly string[];
  readonly limits: boolean;
}

async function podmanHere(path: string, name: string, env: NodeJS.ProcessEnv): Promise<Here> {
  const format = '{{.Host.CgroupsVersion}} {{.Host.OCIRuntime.Name}} {{.Host.Security.Rootless}}';
  const told = await command(path, ['info', '--format', format], { name, env });
  const [cgroups, runtime, rootless] = told.trim().split(' ');
  // crun refuses the first version of cgroups beside the second.
  const needsRunc = cgroups === 'v1' && runtime === 'crun' && findProgram('runc', env.PATH ?? '') !== undefined;
  return { flags: needsRunc ? ['--runtime', 'runc'] : [], limits: !(cgroups === 'v1' && rootless === 'true') };
}

async function dockerHere(path: string, name: string, env: NodeJS.ProcessEnv): Promise<Here> {
  await command(path, ['version', '--format', '{{.Server.Version}}'], { name, env });
  return { flags: [], limits: true };
}

interface CommandOptions {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs?: number | undefined;
}

function command(path: string, args: readonly string[], { name, env, timeoutMs }: CommandOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env, cwd: '/', timeout: timeoutMs ?? commandTimeoutMs, killSignal: 'SIGKILL' as const };
    execFile(path, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      reject(engineFailure(name, stderr || (error.killed ? 'it does not answer' : error.message)));
    });
  });
}
