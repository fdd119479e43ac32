import { createTaskTokens } from '../../../backends/cloud-run/task-token.ts';
import { asRunyardError } from '../../../contracts/errors.ts';
import { newTaskId } from '../../../contracts/ids.ts';
import { keys } from '../../../contracts/keys.ts';
import type { Finding } from '../../../contracts/sandbox.ts';
import { createGcsStore } from '../../../store/gcs/index.ts';
import { type CloudView, look, patienceMs, type Told } from './look.ts';

const attemptTimeoutMs = 5000;

/**
 * The token with which a runner reads its task: that Google gives one, and that it opens nothing else. That it opens
 * its own task the trial shows.
 */
export async function tokenFinding(view: CloudView): Promise<Finding> {
  const { place } = view.installation;
  return look('token of a task', view, async (): Promise<Told> => {
    const readToken = await createTaskTokens(place).mint(newTaskId());
    const { project, bucket, endpoints } = place;
    const endpoint = endpoints.storage;
    const store = createGcsStore({ project, bucket, endpoint, readToken, patienceMs, attemptTimeoutMs });
    const opened = [
      ...((await isRefused(store.read(keys.macKey))) ? [] : [`it reads ${keys.macKey}, which is none of its task`]),
      ...((await isRefused(store.list(keys.owners, { limit: 1 }))) ? [] : ['it lists the bucket']),
    ];
    if (opened.length === 0) return { state: 'ok', detail: 'Google gives one, and it opens nothing but its task' };
    return {
      state: view.emulated ? 'limited' : 'missing',
      detail: `Google gives one, but ${opened.join(', and ')}`,
      remedy: view.emulated
        ? 'An emulator that takes every token is for development only.'
        : 'Check that the bucket has uniform access, and that nobody made it public.',
    };
  });
}

/** Every other failure is one of the look itself. */
async function isRefused(reading: Promise<unknown>): Promise<boolean> {
  try {
    await reading;
    return false;
  } catch (error) {
    if (asRunyardError(error).code === 'forbidden') return true;
    throw error;
  }
}
