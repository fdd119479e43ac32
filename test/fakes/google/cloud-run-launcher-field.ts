import { type Answer, json, type RecordedRequest } from './server.ts';

/** A field of a container that Cloud Run has and the protos of the client lack: taken out before them, put back after. */
const field = 'sandboxLauncher';

export interface LauncherField {
  around(request: RecordedRequest, answer: (request: RecordedRequest) => Answer): Answer;
}

export function createLauncherField(): LauncherField {
  /** Of which jobs it is on. */
  const on = new Set<string>();
  return {
    around(request, answer) {
      const name = jobNameOf(request);
      if (name === undefined) return answer(request);
      if (request.method === 'GET') return on.has(name) ? withField(answer(request)) : answer(request);
      const job = JSON.parse(request.body || '{}') as PlainJob;
      const containers = job.template?.template?.containers ?? [];
      const asked = containers.some((container) => container[field] === true);
      for (const container of containers) delete container[field];
      const answered = answer({ ...request, body: JSON.stringify(job) });
      if (answered.status !== 200) return answered;
      if (asked) on.add(name);
      else on.delete(name);
      return answered;
    },
  };
}

// --- Internal helpers ---

interface PlainJob {
  template?: { template?: { containers?: Record<string, unknown>[] } };
}

/** Of a request that reads or writes one job; undefined for every other. */
function jobNameOf({ method, url }: RecordedRequest): string | undefined {
  const { pathname, searchParams } = new URL(url, 'http://fake');
  if (method === 'POST') {
    const [, parent] = /^\/v2\/(projects\/[^/]+\/locations\/[^/]+\/jobs)$/.exec(pathname) ?? [];
    return parent === undefined ? undefined : `${parent}/${searchParams.get('jobId')}`;
  }
  if (method !== 'GET' && method !== 'PATCH') return undefined;
  return /^\/v2\/(projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/:]+)$/.exec(pathname)?.[1];
}

function withField(answer: Answer): Answer {
  if (answer.status !== 200) return answer;
  const job = JSON.parse(answer.body) as PlainJob;
  for (const container of job.template?.template?.containers ?? []) container[field] = true;
  return json(job);
}
