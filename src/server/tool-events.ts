import type { ToolAnswer } from '../tools/index.ts';
import { answerWithEvents } from './event-stream.ts';
import type { Face } from './face.ts';
import { startProgress } from './progress.ts';
import type { RestRequest } from './rest-request.ts';

/** Whether a caller wants events rather than one JSON document: it names them, and JSON not as much. */
export function asksForEvents(accept = ''): boolean {
  return weightOf('text/event-stream', accept) > weightOf('application/json', accept);
}

/** From 0 to 1 (RFC 9110, 12.5.1); 0 where the type is not named. */
function weightOf(type: string, accept: string): number {
  for (const range of accept.toLowerCase().split(',')) {
    const [name, ...parameters] = range.split(';').map((part) => part.trim());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return weight === undefined ? 1 : Number(weight.slice('q='.length));
  }
  return 0;
}

/** Tells that the call is alive as long as it waits, and at the end its output. */
export async function sendToolEvents(
  rest: RestRequest,
  tool: { readonly title: string },
  call: () => Promise<ToolAnswer>,
  face: Face,
): Promise<void> {
  await answerWithEvents(rest, face, async (stream) => {
    const stopProgress = startProgress(tool, (progress) => void stream.send({ event: 'progress', data: progress }));
    try {
      const { output } = await call();
      await stream.send({ event: 'result', data: output });
    } finally {
      stopProgress();
    }
  });
}
