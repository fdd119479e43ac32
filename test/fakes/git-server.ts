import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Repositories of a test: a folder of bare ones, and a working copy to write with. */
export interface Repositories {
  /** Holds the bare ones. */
  readonly dir: string;
  /** Makes one with these files in one commit on `main`. */
  create(name: string, files: Readonly<Record<string, string>>): TestRepository;
  remove(): void;
}

export interface TestRepository {
  readonly bare: string;
  /** Commits these files (null deletes one) to the branch and gives the commit. */
  commit(files: Readonly<Record<string, string | null>>, options?: CommitOptions): string;
  /** Runs git in the bare repository. */
  git(...args: string[]): string;
}

export interface CommitOptions {
  readonly branch?: string;
  /** Commits of other repositories, by the path at which they stand. */
  readonly links?: Readonly<Record<string, string>>;
}

/** Of every git of these tests: nothing of the machine's own settings. */
export const gitEnvironment = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'A Person',
  GIT_AUTHOR_EMAIL: 'person@example.org',
  GIT_COMMITTER_NAME: 'A Person',
  GIT_COMMITTER_EMAIL: 'person@example.org',
};

export function openRepositories(): Repositories {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'runyard-git-')));
  const dir = join(root, 'bare');
  mkdirSync(dir);
  const git = (cwd: string, ...args: string[]) =>
    execFileSync('git', args, { cwd, env: gitEnvironment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  return {
    dir,
    create(name, files) {
      const [bare, work] = [join(dir, name), join(root, `${name}-work`)];
      git(root, 'init', '-q', '--bare', '-b', 'main', bare);
      git(bare, 'config', 'http.receivepack', 'true');
      git(root, 'init', '-q', '-b', 'main', work);
      git(work, 'remote', 'add', 'origin', bare);
      const commit: TestRepository['commit'] = (changed, { branch = 'main', links = {} } = {}) => {
        const there = git(bare, 'for-each-ref', `refs/heads/${branch}`) !== '';
        git(work, 'fetch', '-q', 'origin');
        if (there) git(work, 'checkout', '-q', '-B', branch, `origin/${branch}`);
        else git(work, 'checkout', '-q', '-B', branch);
        for (const [path, text] of Object.entries(changed)) {
          if (text === null) rmSync(join(work, path));
          else {
            mkdirSync(dirname(join(work, path)), { recursive: true });
            writeFileSync(join(work, path), text);
          }
        }
        git(work, 'add', '-A', '-f');
        for (const [path, sha] of Object.entries(links)) {
          mkdirSync(join(work, path), { recursive: true });
          git(work, 'update-index', '--add', '--cacheinfo', `160000,${sha},${path}`);
        }
        git(work, 'commit', '-q', '--allow-empty', '-m', `change ${Object.keys(changed).join(' ')}`);
        git(work, 'push', '-q', 'origin', branch);
        return git(work, 'rev-parse', 'HEAD');
      };
      commit(files);
      return { bare, commit, git: (...args) => git(bare, ...args) };
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

export interface GitServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Every request so far: method, target, whether it carried a credential. */
  readonly requests: readonly { readonly method: string; readonly url: string; readonly authorization?: string }[];
  close(): Promise<void>;
}

export interface GitServerOptions {
  /** The only password that is taken, under any name; none is asked for where not given. */
  readonly password?: string;
  /** Reads are for everybody. */
  readonly isPublic?: boolean;
  /** Called before each push is received. */
  readonly beforePush?: () => void;
  /** The connection breaks once a push was carried out, before its sender has heard of it. */
  readonly isLostAfterPush?: boolean;
  /** Answers in place of git where it gives true. */
  readonly instead?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** The smart HTTP protocol on loopback, by git's own `http-backend`. */
export async function startGitServer(dir: string, options: GitServerOptions = {}): Promise<GitServer> {
  const requests: { method: string; url: string; authorization?: string }[] = [];
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    requests.push({ method, url, ...(headers.authorization ? { authorization: headers.authorization } : {}) });
    if (options.instead?.(request, response)) return;
    const isPush = url.includes('git-receive-pack');
    const mayPass = options.password === undefined || (options.isPublic && !isPush);
    if (!mayPass && passwordOf(headers.authorization) !== options.password) {
      request.resume();
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('no');
    }
    if (isPush && method === 'POST') options.beforePush?.();
    serve(dir, request, response, isPush && method === 'POST' && options.isLostAfterPush === true);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the git server has no port');
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// --- Internal helpers ---

function passwordOf(authorization = ''): string {
  const pair = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}

function serve(dir: string, request: IncomingMessage, response: ServerResponse, isLost: boolean): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...gitEnvironment,
      GIT_PROJECT_ROOT: dir,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: decodeURIComponent(path),
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_USER: 'someone',
      REMOTE_ADDR: '127.0.0.1',
    },
  });
  request.pipe(backend.stdin);
  for (const stream of [backend.stdin, response]) stream.on('error', () => backend.kill());
  if (isLost) {
    backend.stdout.resume();
    return void backend.on('close', () => request.socket.destroy());
  }
  const head: { bytes: Buffer | undefined } = { bytes: Buffer.alloc(0) };
  backend.stdout.on('data', (chunk: Buffer) => {
    if (head.bytes === undefined) return void response.write(chunk);
    head.bytes = Buffer.concat([head.bytes, chunk]);
    const end = head.bytes.indexOf('\r\n\r\n');
    if (end === -1) return;
    const lines = head.bytes.toString('latin1', 0, end).split('\r\n');
    const fields = lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 2),
    ]);
    const { status = '200', ...headers } = Object.fromEntries(fields);
    response.writeHead(Number.parseInt(status, 10), headers);
    response.write(head.bytes.subarray(end + 4));
    head.bytes = undefined;
  });
  backend.stdout.on('end', () => response.end());
}
