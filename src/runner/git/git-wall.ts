import type { RepositoryAddress } from '../../contracts/repository.ts';
import {
  type CollectOptions,
  type KillReason,
  type PlacedFile,
  type Running,
  type Wall,
  type WallEnd,
  wallPaths,
} from '../../contracts/sandbox.ts';
import { wallLimits } from '../limits.ts';
import type { RunContext } from '../run-context.ts';
import { bridgeText } from './bridge.ts';
import { knownHosts } from './known-hosts.ts';

/** One of our scripts in a wall of its own whose only exit is the git host. Nothing untrusted ever runs there. */
export interface GitJob {
  readonly address: RepositoryAddress;
  /** A password, a private key, or nothing. */
  readonly credential: string | undefined;
  /** The operator allows this host and port: it may be private, and need not speak TLS. */
  readonly isAllowed: boolean;
  readonly knownHosts: string;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly files?: readonly PlacedFile[];
}

export interface GitAnswer {
  readonly end: WallEnd;
  /** What the script found out, by name. */
  readonly facts: ReadonlyMap<string, string>;
  /** The script's own word for what went wrong; undefined where it came to its end. */
  readonly failure: string | undefined;
  /** What git and the other side said: a stranger's words. */
  readonly stderr: string;
  /** Why the door refused, where it did. */
  readonly denial: string | undefined;
}

/** A wall whose script has ended, and what it left. `remove` is always called. */
export interface GitWall {
  readonly answer: GitAnswer;
  collect(options: Omit<CollectOptions, 'signal'>): ReturnType<Wall['collect']>;
  remove(): Promise<void>;
}

/** Runs the script to its end. Throws what the wall throws, and then leaves nothing behind. */
export async function inGitWall(job: GitJob, context: RunContext): Promise<GitWall> {
  const denials: string[] = [];
  const { host, port, transport } = job.address;
  const gateway = await context.openGateway({
    hosts: [{ host, port, below: false, anyProtocol: transport === 'ssh' || job.isAllowed }],
    privateTargets: job.isAllowed ? [{ host, port }] : [],
    onDenied: ({ why }) => denials.push(why),
  });
  try {
    const wall = await context.sandbox.enter({ door: true, limits: wallLimits(context.task), signal: context.stop });
    try {
      await wall.place([...toolsOf(job), ...(job.files ?? [])]);
      const said = await run(wall, job, gateway, context);
      return {
        answer: { ...said, denial: denials[0] },
        collect: (options) => wall.collect({ ...options, signal: context.stop }),
        remove: () => wall.remove(),
      };
    } catch (error) {
      await wall.remove();
      throw error;
    }
  } finally {
    await gateway.close();
  }
}

// --- Internal helpers ---

const outputBytesMax = 64 * 1024;

async function run(
  wall: Wall,
  job: GitJob,
  gateway: Awaited<ReturnType<RunContext['openGateway']>>,
  context: RunContext,
): Promise<Omit<GitAnswer, 'denial'>> {
  const output = { stdout: '', stderr: '' };
  const running: Running = wall.start(
    {
      steps: [{ name: 'git', argv: ['/bin/bash', '-c', job.script] }],
      env: { ...gitEnvironment(job, gateway.placeholderKey), ...job.env },
      stdin: Buffer.from(credentialText(job)),
      limits: wallLimits(context.task),
    },
    {
      // The last words are those that say why.
      output: (stream, chunk) => {
        output[stream] = (output[stream] + chunk.toString('utf8')).slice(-outputBytesMax);
      },
      door: gateway.serve,
    },
  );
  const kill = () => running.kill(context.stop.reason as KillReason);
  if (context.stop.aborted) kill();
  else context.stop.addEventListener('abort', kill, { once: true });
  const end = await running.ended;
  context.stop.removeEventListener('abort', kill);
  const lines = output.stdout.split('\n');
  const facts = lines.flatMap((line) => /^fact (\w+) (.*)$/.exec(line)?.slice(1, 3) ?? []);
  return {
    end,
    facts: new Map(facts.flatMap((name, index) => (index % 2 === 0 ? [[name, facts[index + 1]!] as const] : []))),
    failure: lines.map((line) => /^fail (\w+)$/.exec(line)?.[1]).find((word) => word !== undefined),
    stderr: output.stderr,
  };
}

function toolsOf({ knownHosts: more }: GitJob): PlacedFile[] {
  return [
    { path: 'bridge.mjs', content: Buffer.from(bridgeText) },
    { path: 'askpass', content: Buffer.from(askPass), mode: 0o755 },
    { path: 'known_hosts', content: Buffer.from(`${knownHosts}\n${more}\n`) },
  ];
}

/** Without a credential it has no answer, and git says that it needs one. */
const askPass = `#!/bin/sh
[ -s /tmp/credential ] || exit 1
case "$1" in Username*) printf '%s\\n' "$GIT_USER";; *) cat /tmp/credential;; esac
`;

/** A key ends with a line break, and has no others than those of unix: OpenSSH takes no other. */
function credentialText({ address: { transport }, credential = '' }: GitJob): string {
  if (transport !== 'ssh' || credential === '') return credential;
  return `${credential.replace(/\r/g, '').trimEnd()}\n`;
}

const { workspace, node, doorPort } = wallPaths;

const ssh = [
  ...['ssh', '-F', '/dev/null', '-i', '/tmp/credential'],
  ...[
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${workspace}/known_hosts`,
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    'CheckHostIP=no',
    'ConnectTimeout=20',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=3',
    `ProxyCommand='${node} ${workspace}/bridge.mjs %h %p'`,
  ].flatMap((option) => ['-o', option]),
].join(' ');

/** What a user of GitHub, GitLab and most others is called where a token alone counts. */
const userOfToken = 'x-access-token';

function gitEnvironment({ address }: GitJob, doorKey: string): Record<string, string> {
  const { transport, user = userOfToken, url } = address;
  const door = `http://git:${doorKey}@127.0.0.1:${doorPort}`;
  const settings: Record<string, string> = {
    // The launcher's wall shows the workspace as another user's.
    'safe.directory': '*',
    'core.hooksPath': '/dev/null',
    'core.fsmonitor': 'false',
    'credential.helper': '',
    'gc.auto': '0',
    'fetch.unpackLimit': '1',
    'protocol.version': '2',
    'submodule.recurse': 'false',
    'http.proxyAuthMethod': 'basic',
    // A server that says nothing for this long has nothing to say.
    'http.lowSpeedLimit': '1',
    'http.lowSpeedTime': '60',
    'advice.detachedHead': 'false',
  };
  const counted = Object.entries(settings).flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    ...Object.fromEntries(counted),
    GIT_CONFIG_COUNT: String(Object.keys(settings).length),
    ...cleanGit,
    GIT_ALLOW_PROTOCOL: transport,
    GIT_ASKPASS: `${workspace}/askpass`,
    GIT_USER: user,
    GIT_SSH_COMMAND: ssh,
    GIT_SSH_VARIANT: 'ssh',
    RUNYARD_DOOR_KEY: doorKey,
    ...(transport === 'https' ? { https_proxy: door } : {}),
    ...(transport === 'http' ? { http_proxy: 'socks5h://127.0.0.1:1080' } : {}),
    REPO: url,
    TRANSPORT: transport,
  };
}

/** No configuration but what is said here, and words that can be recognised. */
export const cleanGit = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  LC_ALL: 'C',
} as const;
