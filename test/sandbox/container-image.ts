import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { readPackage } from '../../src/commands/deploy/archive.ts';
import { type Engine, findEngines } from '../../src/sandbox/container/engine.ts';

/**
 * The image of `sandbox-image/Dockerfile` for the tests, built of the very files that are published, once for each
 * state of them. Where its base is not on this machine, one like it is made with debootstrap; nothing is pulled. An image
 * that is there already can be named by RUNYARD_TEST_IMAGE.
 */
export type TestImage = { readonly image: string; readonly engine: Engine } | { readonly missing: string };

const run = promisify(execFile);
const baseOfDockerfile = /^ARG BASE=(.*)$/m;
const suite = 'bookworm';
const label = 'runyard.test=image';

export async function testImage(): Promise<TestImage> {
  const [engine] = await findEngines(process.env).catch(() => []);
  if (engine === undefined) return { missing: 'podman or docker' };
  const named = process.env.RUNYARD_TEST_IMAGE;
  if (named !== undefined)
    return (await has(engine, named)) ? { image: named, engine } : { missing: `the image ${named}` };
  const files = readPackage();
  const base = await findBase(engine, join(files.root, 'sandbox-image/Dockerfile'));
  if (base === undefined) return { missing: 'a base image, or root and debootstrap to make one' };
  const image = `runyard-sandbox-test:${shortHash(files.sha256, base)}`;
  return withLock(join(tmpdir(), 'runyard-test-image.lock'), async () => {
    if (!(await has(engine, image))) await build(engine, image, base, await files.archive());
    return { image, engine };
  });
}

function has(engine: Engine, image: string): Promise<boolean> {
  return engine.run(['image', 'inspect', image]).then(
    () => true,
    () => false,
  );
}

async function build(engine: Engine, image: string, base: string, archive: Buffer): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), 'runyard-image-'));
  try {
    const unpacking = spawn('tar', ['--extract', '--gzip', '--directory', context], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await pipeline([archive], unpacking.stdin);
    await new Promise((resolve) => unpacking.once('close', resolve));
    const dockerfile = join(context, 'sandbox-image/Dockerfile');
    const options = ['--network', 'host', '--ulimit', 'nofile=4096:4096', '--build-arg', `BASE=${base}`];
    // Of earlier states of the files; those that a container uses stay.
    await engine.run(['image', 'prune', '--all', '--force', '--filter', `label=${label}`, '--filter', 'until=24h']);
    await engine.run(
      ['build', '--label', label, ...options, '--tag', image, '--file', dockerfile, context],
      buildTimeoutMs,
    );
  } finally {
    rmSync(context, { recursive: true });
  }
}

export const buildTimeoutMs = 15 * 60_000;

async function findBase(engine: Engine, dockerfile: string): Promise<string | undefined> {
  const [, named] = baseOfDockerfile.exec(readFileSync(dockerfile, 'utf8')) ?? [];
  if (named !== undefined && (await has(engine, named))) return named;
  const own = `localhost/runyard-test-base:${shortHash(process.version, suite, '2')}`;
  if (await has(engine, own)) return own;
  const canMake = process.getuid?.() === 0 && (await isInstalled('debootstrap'));
  if (!canMake) return undefined;
  await withLock(join(tmpdir(), 'runyard-test-base.lock'), async () => {
    if (!(await has(engine, own))) await makeBase(engine, own);
  });
  return own;
}

/** Debian with the node and the npm of this machine, and its way to the registries. */
async function makeBase(engine: Engine, name: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'runyard-base-'));
  try {
    await run('debootstrap', ['--variant=minbase', '--include=ca-certificates', suite, root], {
      timeout: buildTimeoutMs,
    });
    const at = (path: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      return join(root, path);
    };
    copyFileSync(process.execPath, at('usr/local/bin/node'));
    const { stdout: npm } = await run('sh', ['-c', 'command -v npm']);
    cpSync(dirname(dirname(realpathSync(npm.trim()))), at('usr/local/lib/node_modules/npm'), { recursive: true });
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', at('usr/local/bin/npm'));
    const roots = '/etc/ssl/certs/ca-certificates.crt';
    for (const path of [roots, '/etc/pip.conf']) if (existsSync(path)) cpSync(path, at(path), { dereference: true });
    const { stdout: registry } = await run('npm', ['config', 'get', 'registry']);
    writeFileSync(at('usr/local/etc/npmrc'), `cafile=${roots}\nregistry=${registry.trim()}\n`);
    const archive = join(tmpdir(), `${name.replaceAll(/\W/g, '-')}.tar`);
    try {
      await run('tar', ['--create', '--file', archive, '--directory', root, '.']);
      await engine.run(['import', archive, name], buildTimeoutMs);
    } finally {
      rmSync(archive, { force: true });
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function isInstalled(program: string): Promise<boolean> {
  return run('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false,
  );
}

function shortHash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}

/** One of all test processes at a time; the lock of one that has ended is broken. */
async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      const holder = existsSync(path) ? readFileSync(path, 'utf8') : '';
      if (holder !== '' && !existsSync(`/proc/${holder}`)) rmSync(path, { force: true });
      await sleep(200);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
