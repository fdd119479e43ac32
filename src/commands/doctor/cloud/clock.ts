import { refuseWrongClock } from '../../../backends/cloud-run/clock.ts';
import type { CloudPlace } from '../../../contracts/cloud.ts';
import { RunyardError } from '../../../contracts/errors.ts';
import type { Finding } from '../../../contracts/sandbox.ts';
import { look, lookTimeoutMs, type Told } from './look.ts';

/** Whether Google answers at all, and what time it is there. Asks without credentials for nothing in particular. */
export async function clockFinding({ endpoints }: CloudPlace): Promise<Finding> {
  const url = endpoints.sts ?? 'https://sts.googleapis.com';
  return look('clock', { emulated: false }, async (): Promise<Told> => {
    const offMs = refuseWrongClock(await dateAt(url));
    const seconds = Math.round(Math.abs(offMs) / 1000);
    return { state: 'ok', detail: `${seconds < 2 ? 'as' : `${seconds} s from`} that of ${new URL(url).host}` };
  });
}

async function dateAt(url: string): Promise<string | null> {
  const { PassThroughClient } = await import('google-auth-library');
  try {
    // Every status is an answer.
    const asked = { url, method: 'HEAD', timeout: lookTimeoutMs, retry: false, validateStatus: () => true } as const;
    return (await new PassThroughClient().request(asked)).headers.get('date');
  } catch (cause) {
    throw new RunyardError('backend_error', `${new URL(url).host} does not answer.`, {
      hint: 'Check the network (proxies are taken from HTTPS_PROXY), then run the doctor again.',
      cause,
    });
  }
}
