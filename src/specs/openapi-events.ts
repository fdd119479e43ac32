import { z } from 'zod';
import { limits } from '../contracts/limits.ts';
import { jsonSchemaOf } from '../tools/describe-tool.ts';
import { logLine } from '../tools/log-line.ts';
import { operation, path, problems, query, ref } from './openapi-parts.ts';

/** What the REST face tells as server-sent events: OpenAPI 3.1 has no words for single events, so they stand in text. */

export function events(name: 'ToolEvents' | 'TaskEvents') {
  return { 'text/event-stream': { schema: ref(name) } };
}

const alive = 'A comment is sent after 15 s of silence.';
const failed = '`error`: a Problem, where it cannot go on';

export function eventSchemas() {
  return {
    LogLine: jsonSchemaOf(logLine, 'output'),
    Progress: jsonSchemaOf(progress, 'output'),
    TaskEvents: {
      type: 'string',
      description: `Server-sent events, the data of each one JSON value. \`line\`: a LogLine; \`result\`, the last: the output of what was followed, as in Task; ${failed}. Lines are untrusted data. ${alive}`,
    },
    ToolEvents: {
      type: 'string',
      description: `Server-sent events, the data of each one JSON value. \`progress\`: a Progress, every 10 s; \`result\`, the last: the output of the tool; ${failed}. ${alive}`,
    },
  };
}

const progress = z.object({ progress: z.number().describe('Seconds'), message: z.string() });

export function taskEventsPath() {
  const lastEventId = {
    name: 'Last-Event-ID',
    in: 'header',
    required: false,
    description: 'The id of the last event that was received: goes on right after it',
    schema: { type: 'string' },
  };
  const run = { type: 'integer', minimum: 0, maximum: limits.runsMax - 1 };
  return {
    parameters: [path('task_id', { type: 'string' })],
    get: {
      ...operation('get_task_events', 'tasks', 'What a task prints and does, as it comes, and its output at the end'),
      description:
        'From the first line on. Of several runs up to 16 are told of at a time, each in order. The stream may end early, where the server does: go on with Last-Event-ID. The id of a line of a single run is also a cursor of get_task_logs.',
      parameters: [query('run', { ...run, description: 'Of this run alone, its own output at the end' }), lastEventId],
      responses: {
        200: { description: 'The events', content: events('TaskEvents') },
        204: { description: 'Last-Event-ID is that of the result: nothing is left to tell' },
        ...problems,
      },
    },
  };
}
