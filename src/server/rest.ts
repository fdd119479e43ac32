import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';
import { taskId } from '../contracts/ids.ts';
import { taskStatus } from '../contracts/task.ts';
import { taskListEntry, taskOutput } from '../contracts/task-output.ts';
import { sendArtifact } from './artifact-download.ts';
import { callTool } from './call-tool.ts';
import { splitBody } from './credentials.ts';
import type { Face } from './face.ts';
import { HttpError } from './http-error.ts';
import { readJsonBody } from './json-body.ts';
import { sendJson } from './problem.ts';
import { parseQuery } from './query.ts';
import type { RestRequest } from './rest-request.ts';
import { sendTaskEvents } from './task-events.ts';
import { asksForEvents, sendToolEvents } from './tool-events.ts';

interface Route {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly pattern: RegExp;
  readonly handle: (rest: RestRequest, groups: Readonly<Record<string, string>>, face: Face) => Promise<void>;
}

/** Answers one request below `/v1/`. Throws errors of the catalogue. */
export async function handleRest(rest: RestRequest, face: Face): Promise<void> {
  const here = routes.flatMap((route) => {
    const groups = route.pattern.exec(rest.path)?.groups;
    return groups === undefined ? [] : [{ ...route, groups }];
  });
  const route = here.find(({ method }) => method === rest.request.method);
  if (route !== undefined) return route.handle(rest, decodeGroups(route.groups), face);
  const allow = here.map(({ method }) => method);
  if (allow.length > 0) throw methodNotAllowed(rest, allow);
  throw noSuchRoute(rest);
}

export function methodNotAllowed({ request, path }: Pick<RestRequest, 'request' | 'path'>, allow: readonly string[]) {
  return new HttpError(405, `${request.method} is no method of ${path}`, `Use ${allow.join(' or ')}.`, allow);
}

export function noSuchRoute({ request, path }: Pick<RestRequest, 'request' | 'path'>): RunyardError {
  return new RunyardError('not_found', `There is no ${request.method} ${path}.`, {
    hint: 'GET /openapi.json says what there is.',
  });
}

const routes: readonly Route[] = [
  { method: 'POST', pattern: /^\/v1\/tools\/(?<tool>[^/]+)$/, handle: postTool },
  { method: 'PUT', pattern: /^\/v1\/inputs(?<none>)$/, handle: putInputs },
  { method: 'GET', pattern: /^\/v1\/tasks(?<none>)$/, handle: getTasks },
  { method: 'GET', pattern: /^\/v1\/tasks\/(?<id>[^/]+)$/, handle: getTask },
  { method: 'GET', pattern: /^\/v1\/tasks\/(?<id>[^/]+)\/events$/, handle: getEvents },
  { method: 'POST', pattern: /^\/v1\/tasks\/(?<id>[^/]+)\/cancel$/, handle: cancelTask },
  {
    method: 'GET',
    pattern: /^\/v1\/tasks\/(?<id>[^/]+)\/runs\/(?<run>\d{1,4})\/artifacts\/(?<path>.+)$/,
    handle: getArtifact,
  },
];

async function postTool(rest: RestRequest, groups: Readonly<Record<string, string>>, face: Face) {
  const { request, response, caller, gone } = rest;
  const tool = face.tools.find(({ name }) => name === groups.tool);
  if (tool === undefined) {
    throw new RunyardError('not_found', `There is no tool ${JSON.stringify(groups.tool)}.`, {
      hint: `The tools are ${face.tools.map(({ name }) => name).join(', ')}.`,
    });
  }
  const { input, credentials } = splitBody(await readJsonBody(request));
  const call = () => callTool(face, tool, input, { ...caller, credentials }, gone);
  if (asksForEvents(request.headers.accept)) return sendToolEvents(rest, tool, call, face);
  sendJson(response, 200, (await call()).output);
}

const listQuery = z.strictObject({
  status: taskStatus.optional(),
  limit: z.coerce
    .number('must be a number')
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(100, 'must be at most 100')
    .default(20),
  cursor: z.string().min(1).max(1000).optional(),
});

async function getTasks(
  { response, caller, query }: RestRequest,
  _: Readonly<Record<string, string>>,
  { services }: Face,
) {
  const { status, limit, cursor } = parseQuery(query, listQuery);
  const page = await services.tasks.list(caller, {
    limit,
    ...(status === undefined ? {} : { status }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  sendJson(response, 200, { tasks: page.tasks.map(taskListEntry), next_cursor: page.nextCursor ?? null });
}

async function getTask(
  { response, caller }: RestRequest,
  groups: Readonly<Record<string, string>>,
  { services }: Face,
) {
  sendJson(response, 200, taskOutput(await services.tasks.look(idOf(groups), caller)));
}

function getEvents(rest: RestRequest, groups: Readonly<Record<string, string>>, face: Face) {
  return sendTaskEvents(rest, idOf(groups), face);
}

const cancelWaitMs = 5_000;

async function cancelTask(
  { response, caller, gone }: RestRequest,
  groups: Readonly<Record<string, string>>,
  face: Face,
) {
  const signal = AbortSignal.any([gone, face.calls.stopping]);
  sendJson(
    response,
    200,
    taskOutput(await face.services.tasks.cancel(idOf(groups), caller, { waitMs: cancelWaitMs, signal })),
  );
}

const archiveTypes = ['application/x-tar', 'application/zstd', 'application/gzip'];

/** A web page can send other types without being asked first. */
async function putInputs(
  { request, response, caller }: RestRequest,
  _: Readonly<Record<string, string>>,
  { services }: Face,
) {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!archiveTypes.includes(type)) {
    throw new HttpError(
      415,
      `body: must be ${archiveTypes.join(', ')}`,
      'Send a tar, plain or compressed with zstd or gzip.',
    );
  }
  const { sha256, isNew } = await services.inputs.put(request, caller.owner);
  sendJson(response, isNew ? 201 : 200, { from: `sha256:${sha256}` });
}

async function getArtifact(rest: RestRequest, groups: Readonly<Record<string, string>>, { services }: Face) {
  const place = { id: idOf(groups), run: Number(groups.run), path: groups.path ?? '' };
  await sendArtifact(rest, place, services.tasks);
}

function idOf({ id = '' }: Readonly<Record<string, string>>): string {
  const parsed = taskId.safeParse(id);
  if (!parsed.success) throw new RunyardError('invalid_request', `task_id: ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}

function decodeGroups(groups: Readonly<Record<string, string>>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, decodeURIComponent(text)]));
  } catch (cause) {
    throw new RunyardError('invalid_request', 'path: is not percent-encoded as it should be', { cause });
  }
}
