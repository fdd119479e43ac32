import { z } from 'zod';
import type { CloudPlace } from '../../contracts/cloud.ts';
import { RunyardError } from '../../contracts/errors.ts';
import { type TaskId, taskId } from '../../contracts/ids.ts';
import { keys } from '../../contracts/keys.ts';
import { isInsecure, patiently } from '../../lib/google.ts';
import { commonTrouble, withoutAnswer } from '../../lib/google-trouble.ts';
import { once } from '../../lib/once.ts';
import { refuseWrongClock } from './clock.ts';

/** Tokens with which a runner reads one task and nothing else: the server's own, downscoped by an access boundary. */
export interface TaskTokens {
  /** Lives as long as the server's own token then does: 5 to 60 minutes. */
  mint(task: TaskId): Promise<string>;
  /** Gets the server's own token ahead of need. */
  warm(): Promise<void>;
}

const exchangeTimeoutMs = 10_000;
const patienceMs = 8000;
const tokenType = 'urn:ietf:params:oauth:token-type:access_token';
const googleScope = 'https://www.googleapis.com/auth/cloud-platform';

export function createTaskTokens(place: CloudPlace): TaskTokens {
  const endpoint = place.endpoints.sts ?? 'https://sts.googleapis.com';
  const auth = once(async () => {
    const { GoogleAuth } = await import('google-auth-library');
    return new GoogleAuth({ scopes: googleScope, projectId: place.project });
  });

  /** An emulator asks for no credential. */
  const ownToken = async (): Promise<string> => {
    if (isInsecure({ endpoint })) return 'none';
    return z.string().parse(await (await auth()).getAccessToken());
  };

  const exchange = async (task: TaskId): Promise<string> => {
    const response = await fetch(`${endpoint}/v1/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        requested_token_type: tokenType,
        subject_token_type: tokenType,
        subject_token: await ownToken(),
        options: JSON.stringify(boundaryOf(place.bucket, task)),
      }),
      signal: AbortSignal.timeout(exchangeTimeoutMs),
    });
    refuseWrongClock(response.headers.get('date'));
    const body = await response.text();
    if (!response.ok) throw new ExchangeRefused(response.status, body);
    return minted.parse(JSON.parse(body)).access_token;
  };

  return {
    async mint(task) {
      try {
        return await patiently(() => exchange(task), { withinMs: patienceMs });
      } catch (error) {
        throw mintFailure(error, task, place);
      }
    },
    warm: async () => void (await ownToken()),
  };
}

const minted = z.object({ access_token: z.string().min(1) });

/**
 * Ids have one length, so that no other task's key begins with this one's. An id that is none would be a way to write
 * into the expression.
 */
export function boundaryOf(bucket: string, task: TaskId) {
  const id = taskId.parse(task);
  const rule = (prefix: string) => ({
    availableResource: `//storage.googleapis.com/projects/_/buckets/${bucket}`,
    // May get, may not list.
    availablePermissions: ['inRole:roles/storage.legacyObjectReader'],
    availabilityCondition: { expression: `resource.name.startsWith('projects/_/buckets/${bucket}/objects/${prefix}')` },
  });
  return { accessBoundary: { accessBoundaryRules: [rule(keys.task(id)), rule(keys.sealed(id))] } };
}

class ExchangeRefused extends Error {
  override readonly name = 'ExchangeRefused';
  readonly status: number;
  readonly reason: string | undefined;
  constructor(status: number, body: string) {
    super(`The exchange was answered with ${status}: ${body.slice(0, 500)}`);
    this.status = status;
    this.reason = body.includes('SERVICE_DISABLED') ? 'SERVICE_DISABLED' : undefined;
  }
}

function mintFailure(error: unknown, task: TaskId, { project }: CloudPlace): RunyardError {
  if (error instanceof RunyardError) return error;
  const service = { name: "Google's token service", api: 'sts.googleapis.com', project };
  const trouble = commonTrouble(error, service) ?? {
    message: `Google gave no token to read ${task} with.`,
    hint: 'The log of the server holds its own words; "runyard doctor" checks the installation.',
    retryable: false,
  };
  const cause = error instanceof ExchangeRefused ? error : withoutAnswer(error);
  return new RunyardError('backend_error', trouble.message, { ...trouble, cause });
}
