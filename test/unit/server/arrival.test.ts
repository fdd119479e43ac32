import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { limitArrival } from '../../../src/server/arrival.ts';

const limits = { wholeMs: 400, silenceMs: 400 };

/** A server that takes every body, and what it thought of the one that is sent so. */
async function take({ isUpload, pieces, gapMs }: { isUpload: boolean; pieces: number; gapMs: number }) {
  const seen = { late: 0, bytes: 0 };
  const server = createServer({ requestTimeout: 0 }, async (incoming, response) => {
    limitArrival(
      incoming,
      isUpload,
      () => {
        seen.late++;
        response.writeHead(408).end();
      },
      limits,
    );
    for await (const chunk of incoming) seen.bytes += chunk.length;
    // Longer than a silence may be: what is done with the body has all the time it needs.
    await pause(600);
    if (!response.headersSent) response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const outgoing = request({ port, host: '127.0.0.1', method: 'PUT' });
  outgoing.on('error', () => {});
  const answered = once(outgoing, 'response');
  for (let piece = 0; piece < pieces; piece++) {
    outgoing.write('x');
    await pause(gapMs);
  }
  if (gapMs < limits.silenceMs) outgoing.end();
  const [{ statusCode }] = await answered;
  outgoing.destroy();
  server.close();
  return { statusCode, ...seen };
}

test('an upload takes as long as it takes', async () => {
  expect(await take({ isUpload: true, pieces: 12, gapMs: 100 })).toEqual({ statusCode: 200, late: 0, bytes: 12 });
});

test('an upload that falls silent is given up', async () => {
  expect(await take({ isUpload: true, pieces: 1, gapMs: 1500 })).toMatchObject({ statusCode: 408 });
});

test('any other body arrives whole in its time, or is given up', async () => {
  expect(await take({ isUpload: false, pieces: 12, gapMs: 100 })).toMatchObject({ statusCode: 408, late: 1 });
  expect(await take({ isUpload: false, pieces: 2, gapMs: 10 })).toEqual({ statusCode: 200, late: 0, bytes: 2 });
});
