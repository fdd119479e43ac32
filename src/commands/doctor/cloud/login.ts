import type { CloudPlace } from '../../../contracts/cloud.ts';
import type { Finding } from '../../../contracts/sandbox.ts';
import { isMissingCredential, mayPass, statusOfFailure } from '../../../lib/google.ts';
import { untilAborted } from '../../../lib/until-aborted.ts';
import { names } from '../../deploy/installation.ts';
import { look, type Told } from './look.ts';

export interface Login {
  readonly finding: Finding;
  /** Whose credentials these are, for sentences. */
  readonly who: string;
}

const scopes = 'https://www.googleapis.com/auth/cloud-platform';
const addressTimeoutMs = 3000;

/** Whether there are credentials that Google gives a token for, and whose; never what they are. */
export async function findLogin(place: CloudPlace, emulated: boolean): Promise<Login> {
  const login = { who: 'the account of this process' };
  const finding = await look('Google login', { emulated }, async (): Promise<Told> => {
    if (emulated) return { state: 'ok', detail: 'none is asked for: all endpoints are emulators' };
    try {
      const address = await addressOfLogin(place);
      login.who = address ?? login.who;
      const kind = address?.endsWith('.gserviceaccount.com') ? 'the service account' : 'the user';
      return {
        state: 'ok',
        detail: address === undefined ? 'somebody who does not tell a name' : `${kind} ${address}`,
      };
    } catch (error) {
      return whyNot(error, place);
    }
  });
  return { finding, who: login.who };
}

/** Gets a token, which proves that the credentials are taken. */
async function addressOfLogin({ project }: CloudPlace): Promise<string | undefined> {
  const { GoogleAuth, OAuth2Client } = await import('google-auth-library');
  const auth = new GoogleAuth({ scopes, projectId: project });
  const client = await auth.getClient().catch((cause: unknown) => {
    throw new NoUse(cause);
  });
  const { token } = await client.getAccessToken();
  const { client_email: address } = await auth.getCredentials();
  if (address !== undefined || token == null || !(client instanceof OAuth2Client)) return address;
  // Only Google knows who a user is; where it does not say, that is no fault.
  const told = client.getTokenInfo(token).then(({ email }) => email);
  return untilAborted(told, AbortSignal.timeout(addressTimeoutMs)).catch(() => undefined);
}

/** What was found is no credential, before anybody was asked for a token. */
class NoUse extends Error {
  override readonly name = 'NoUse';
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : '', { cause });
  }
}

/** What Google's library says is not told: of a file that cannot be read it may quote what is in it. */
function whyNot(error: unknown, place: CloudPlace): Told {
  const state = 'missing';
  const anew = 'Run "gcloud auth application-default login" again';
  const hasEnded = /invalid_grant|invalid_rapt|reauth related/i.test(error instanceof Error ? error.message : '');
  if (isMissingCredential(error) && !hasEnded) {
    return {
      state,
      detail: 'none: neither of "gcloud auth", nor a key file, nor those of a machine in Google Cloud',
      remedy: `Run "gcloud auth application-default login"; or name a key file of ${names.email(place, 'server')} in GOOGLE_APPLICATION_CREDENTIALS.`,
    };
  }
  if (error instanceof NoUse) {
    return {
      state,
      detail: 'there are credentials, but they cannot be used',
      remedy: `${anew}, or correct GOOGLE_APPLICATION_CREDENTIALS.`,
    };
  }
  const status = statusOfFailure(error);
  if (hasEnded || (status !== undefined && !mayPass(error))) {
    return {
      state,
      detail: 'Google does not take the credentials that are here: they have ended, or this clock is wrong',
      remedy: `${anew}, or make a new key; see "clock" too.`,
    };
  }
  return {
    state,
    detail: 'there are credentials, but nobody answered who could give a token for them',
    remedy: 'Check the network (proxies are taken from HTTPS_PROXY), then run the doctor again.',
  };
}
