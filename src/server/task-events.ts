import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';
import type { TaskId } from '../contracts/ids.ts';
import { limits } from '../contracts/limits.ts';
import type { TaskRecord } from '../contracts/task.ts';
import { followTask } from '../tools/follow-task.ts';
import { decodePlace, encodeEnd } from '../tools/log-place.ts';
import type { Tasks } from '../tools/services.ts';
import { answerWithEvents } from './event-stream.ts';
import type { Face } from './face.ts';
import { parseQuery } from './query.ts';
import type { RestRequest } from './rest-request.ts';

const eventsQuery = z.strictObject({
  run: z.coerce
    .number('must be a number')
    .int('must be a whole number')
    .min(0, 'must be at least 0')
    .max(limits.runsMax - 1, `must be at most ${limits.runsMax - 1}`)
    .optional(),
});

interface TaskFace extends Pick<Face, 'calls' | 'log'> {
  readonly services: Tasks<'look' | 'wait' | 'result' | 'events' | 'waitForEvents'>;
}

/** Sends the lines of a task as they come, from where `Last-Event-ID` says, and at its end its output. */
export async function sendTaskEvents(rest: RestRequest, id: TaskId, face: TaskFace): Promise<void> {
  const { request, response, caller, gone } = rest;
  const { tasks } = face.services;
  const { run } = parseQuery(rest.query, eventsQuery);
  const now = { waitMs: 0, signal: gone };
  const { record } = await tasks.wait(id, caller, run === undefined ? now : { ...now, run });
  const from = placeOf(request.headers['last-event-id'], record, run);
  if (from === 'end') return nothingLeft(rest);
  await answerWithEvents({ response, gone }, face, async (stream) => {
    stream.begin();
    const output = await followTask({ record, run, from }, { caller, signal: stream.stop }, tasks, (lines) =>
      stream.send(...lines.map(({ line, place }) => ({ event: 'line' as const, id: place, data: line }))),
    );
    if (output !== undefined) await stream.send({ event: 'result', id: encodeEnd(id), data: output });
  });
}

function placeOf(lastEventId: string | string[] | undefined, record: TaskRecord, run: number | undefined) {
  if (lastEventId === undefined || lastEventId === '') return new Map<number, number>();
  const place = decodePlace(String(lastEventId), record, run);
  if (place !== undefined) return place;
  const which = run === undefined ? 'this task' : `run ${run} of this task`;
  throw new RunyardError('invalid_request', `Last-Event-ID: is no id of an event of ${which}`, {
    hint: 'Leave the header out to read from the first line.',
  });
}

/** By this a browser knows that it need not connect again. */
function nothingLeft({ response }: RestRequest): void {
  response.writeHead(204, { 'Cache-Control': 'no-store' }).end();
}
