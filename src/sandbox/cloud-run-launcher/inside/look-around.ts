import { accessSync, constants, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { getuid } from 'node:process';
import type { Standing } from '../protocol/words.ts';

export interface LookAroundOptions {
  readonly workspace: string;
  readonly metadata: { readonly host: string; readonly port: number };
}

/** What this wall looks like from inside, before anything else runs in it. */
export async function lookAround({ workspace, metadata }: LookAroundOptions): Promise<Standing> {
  return {
    uid: getuid!(),
    capabilities: capabilities(),
    interfaces: interfaces(),
    reachesMetadata: await answers(metadata),
    canWrite: canWrite(workspace),
  };
}

function capabilities(): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  return /^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
}

/** Names of the network interfaces; the first two lines are titles. */
function interfaces(): string[] {
  const lines = readFileSync('/proc/net/dev', 'utf8').trim().split('\n').slice(2);
  return lines.map((line) => line.split(':')[0]!.trim());
}

/** Long enough for a neighbour on the same machine; a wall that drops what is sent out makes us wait this long. */
const patienceMs = 400;

function answers({ host, port }: LookAroundOptions['metadata']): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const tell = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(patienceMs, () => tell(false));
    socket.once('connect', () => tell(true));
    socket.once('error', () => tell(false));
  });
}

function canWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
