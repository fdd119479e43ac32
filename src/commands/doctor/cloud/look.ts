import { asRunyardError } from '../../../contracts/errors.ts';
import type { Finding } from '../../../contracts/sandbox.ts';
import { untilAborted } from '../../../lib/until-aborted.ts';
import type { GoogleRest } from '../../deploy/google-rest.ts';
import type { Installation } from '../../deploy/installation.ts';
import { GoogleRefusal } from '../../deploy/refusal.ts';

/** Who looks at what, and how. */
export interface CloudView {
  /** As `runyard deploy` would make it now. */
  readonly installation: Installation;
  readonly rest: GoogleRest;
  /** Whose credentials these are, for sentences. */
  readonly who: string;
  /** Only emulators are spoken to; what they do not have cannot be looked at. */
  readonly emulated: boolean;
}

/** All that a look tells; its subject comes with it. */
export type Told = Omit<Finding, 'subject'>;

export const lookTimeoutMs = 10_000;
/** Of what is tried again inside a look. */
export const patienceMs = 4000;

export const deployAgain = 'Run "runyard deploy" again: it mends what differs, and makes nothing twice.';

/** One look to its end. Never throws and never takes longer than 10 s: what stands in the way is what it found. */
export async function look(
  subject: string,
  { emulated }: Pick<CloudView, 'emulated'>,
  work: () => Promise<Told>,
): Promise<Finding> {
  const signal = AbortSignal.timeout(lookTimeoutMs);
  try {
    return { subject, ...(await untilAborted(work(), signal)) };
  } catch (error) {
    return { subject, ...(signal.aborted ? tooLate : whatStandsInTheWay(error, emulated)) };
  }
}

/** `work`, or undefined where these credentials may not have it. */
export async function ifAllowed<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

const tooLate: Told = {
  state: 'missing',
  detail: `no answer within ${lookTimeoutMs / 1000} s`,
  remedy: 'Check the network between this machine and Google, then run the doctor again.',
};

function whatStandsInTheWay(error: unknown, emulated: boolean): Told {
  const { message, hint } = asRunyardError(error);
  if (emulated && error instanceof GoogleRefusal && error.obstacle === 'credentials') {
    return { state: 'limited', detail: 'not looked at: the emulators have no such thing' };
  }
  if (isForbidden(error)) {
    return {
      state: 'limited',
      detail: `could not be looked at. ${message}`,
      remedy: 'Nothing is wrong where the trial goes well. Run the doctor as whoever deployed, to see more.',
    };
  }
  return { state: 'missing', detail: message, remedy: hint };
}

function isForbidden(error: unknown): boolean {
  return error instanceof GoogleRefusal && error.obstacle === 'permission_missing';
}
