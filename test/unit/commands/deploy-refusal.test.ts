import { expect, test } from 'vitest';
import { type Obstacle, refusalOf } from '../../../src/commands/deploy/refusal.ts';

const asked = {
  project: 'demo-project',
  api: { title: 'Cloud Run', host: 'run.googleapis.com' },
  request: 'GET /v2/projects/demo-project/locations/r/jobs/j',
};

function info(reason: string, metadata: Record<string, string> = {}) {
  return [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com', metadata }];
}

test.each<[string, number, object, Obstacle, RegExp]>([
  [
    'billing, by reason',
    400,
    { message: 'Something.', details: info('UREQ_PROJECT_BILLING_NOT_FOUND') },
    'billing_off',
    /no billing account.*gcloud billing projects link demo-project/,
  ],
  [
    'billing, as Cloud Storage says it',
    403,
    {
      message: 'The billing account for the owning project is disabled in state absent',
      errors: [{ reason: 'accountDisabled' }],
    },
    'billing_off',
    /no billing account/,
  ],
  [
    'an API that is off',
    403,
    { message: 'X API has not been used', details: info('SERVICE_DISABLED', { service: 'iam.googleapis.com' }) },
    'api_disabled',
    /iam\.googleapis\.com is not enabled.*gcloud services enable iam\.googleapis\.com --project=demo-project/,
  ],
  [
    'no such project',
    403,
    { message: 'Permission denied on resource project demo-project.', details: info('CONSUMER_INVALID') },
    'project_missing',
    /There is no project demo-project/,
  ],
  [
    'no such project, in words',
    404,
    { message: "Project 'demo-project' not found or deleted." },
    'project_missing',
    /There is no project demo-project/,
  ],
  [
    'a missing permission, by details',
    403,
    {
      message: 'Denied.',
      details: info('IAM_PERMISSION_DENIED', { permission: 'run.jobs.get', resource: 'projects/p/j' }),
    },
    'permission_missing',
    /lack the permission run\.jobs\.get of Cloud Run on projects\/p\/j\. Ask an owner of demo-project/,
  ],
  [
    'a missing permission, in words',
    403,
    { message: "Permission 'iam.serviceaccounts.actAs' denied on service account x (or it may not exist)." },
    'permission_missing',
    /lack the permission iam\.serviceaccounts\.actAs/,
  ],
  [
    'a missing permission, as Cloud Storage says it',
    403,
    { message: 'a@b.c does not have storage.buckets.create access to the Google Cloud project.' },
    'permission_missing',
    /lack the permission storage\.buckets\.create/,
  ],
  [
    'credentials that count for no project',
    403,
    { message: 'The run.googleapis.com API requires a quota project, which is not set by default.' },
    'quota_project',
    /set-quota-project demo-project/,
  ],
  [
    'credentials that ended',
    401,
    { message: 'Request had invalid authentication credentials.' },
    'credentials',
    /login" again/,
  ],
  [
    'a policy of the organisation',
    412,
    { message: "'us' violates constraint 'constraints/gcp.resourceLocations'" },
    'policy_of_organisation',
    /A policy of the organisation forbids this: .*gcp\.resourceLocations/,
  ],
  ['too many requests', 429, { message: 'Quota exceeded for quota metric.' }, 'quota', /takes no more requests.*Wait/],
  [
    'anything else',
    400,
    { message: 'Invalid value.' },
    'other',
    /Cloud Run answered 400 to GET \/v2\/projects\/demo-project\/.*: Invalid value\. Mend what it names/,
  ],
])('%s', (_, status, error, obstacle, sentence) => {
  const refusal = refusalOf(status, { error: { code: status, ...error } }, asked);
  expect(refusal.obstacle).toBe(obstacle);
  expect(refusal.status).toBe(status);
  expect(`${refusal.message} ${refusal.hint}`).toMatch(sentence);
});

test('a page of a proxy is quoted by its beginning, without what a terminal would obey', () => {
  const refusal = refusalOf(502, `<html>\u001b[31mBad gateway${'x'.repeat(1000)}`, asked);
  expect(refusal.message).toMatch(/answered 502 to GET .*: <html>Bad gatewayx+$/);
  expect(refusal.message.length).toBeLessThan(400);
});
