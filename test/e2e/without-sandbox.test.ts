import { afterAll, expect, test } from 'vitest';
import { createHome, serveCommand } from './served.ts';

const { home, remove } = createHome();
afterAll(remove);

const canMount = process.getuid?.() === 0;

/** In a mount namespace of its own the programs of this machine are covered by nothing. */
const withoutBubblewrap = ['--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /usr/bin && exec "$@"', 'sh'];

test.skipIf(!canMount)(
  'without bubblewrap nothing is run: the call is refused with what is missing and how to install it (needs root to hide it)',
  async () => {
    const served = await serveCommand(home, { command: 'unshare', before: withoutBubblewrap });
    const refusal = await served.refusal('execute_code', { language: 'bash', code: 'touch output/ran' });
    expect(refusal).toContain('sandbox_unavailable');
    expect(refusal).toMatch(/apt-get install .*bubblewrap/);
    expect(await served.call('list_tasks', {})).toMatchObject({ tasks: [{ status: 'failed' }] });
    await served.close();
  },
);
