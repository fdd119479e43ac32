import { DownscopedClient, GoogleAuth, gaxios, OAuth2Client } from 'google-auth-library';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { type MetadataServer, startMetadataServer } from './metadata.ts';
import { type StsOptions, startSts } from './sts.ts';

const rule = {
  availableResource: '//storage.googleapis.com/projects/_/buckets/a-bucket',
  availablePermissions: ['inRole:roles/storage.legacyObjectReader'],
  availabilityCondition: {
    expression: "resource.name.startsWith('projects/_/buckets/a-bucket/objects/tasks/task_1/')",
  },
};

describe("Google's own client of the token service", () => {
  /** It always goes to Google over https: that wire is led to the fake, and nothing else of it is touched. */
  async function downscoped(options: StsOptions = {}, accessBoundaryRules = [rule], subject = 'the-token') {
    const sts = await startSts(options);
    onTestFinished(sts.close);
    const authClient = new OAuth2Client();
    authClient.setCredentials({ access_token: subject, expiry_date: Date.now() + 3_600_000 });
    const client = new DownscopedClient({
      authClient,
      credentialAccessBoundary: { accessBoundary: { accessBoundaryRules } },
    });
    const { stsCredential } = exchanging.parse(client);
    stsCredential.transporter.interceptors.request.add({
      resolved: async (request) => {
        request.url = new URL(`${sts.url}${new URL(String(request.url)).pathname}`);
        return request;
      },
    });
    return { sts, token: async () => (await client.getAccessToken()).token ?? '' };
  }

  test('is given a token whose boundary a checker can read, as long as the token it came from lives', async () => {
    const { sts, token } = await downscoped({ secondsLeft: (subject) => (subject === 'the-token' ? 900 : undefined) });
    const given = await token();
    expect(sts.boundaryOf(given)).toEqual({ subjectToken: 'the-token', rules: [rule] });
    expect(sts.boundaryOf(`${given}x`)).toBeUndefined();
    expect(given).toHaveLength(1024);
  });

  test.each([
    ['a token that is none', { secondsLeft: () => undefined }, [rule]],
    ['a token that has expired', { secondsLeft: () => 0 }, [rule]],
    ['a resource that is none of Cloud Storage', {}, [{ ...rule, availableResource: '//run.googleapis.com/x' }]],
    ['a permission that is none of a role', {}, [{ ...rule, availablePermissions: ['storage.objects.get'] }]],
  ])('is refused %s', async (_, options, rules) => {
    const { token } = await downscoped(options, rules);
    await expect(token()).rejects.toMatchObject({ status: 400 });
  });

  test('a form without a subject, another grant, more than ten rules and no form at all are refused', async () => {
    const { sts } = await downscoped();
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token: 'the-token',
      options: JSON.stringify({ accessBoundary: { accessBoundaryRules: [rule] } }),
    };
    const post = async (more: object, headers = {}) => {
      const body = new URLSearchParams({ ...form, ...more });
      const answer = await fetch(`${sts.url}/v1/token`, {
        method: 'POST',
        body: String(body),
        headers: { ...asForm, ...headers },
      });
      return `${answer.status} ${await answer.text()}`;
    };
    const ten = Array.from({ length: 11 }, () => rule);
    expect(await post({})).toMatch(/^200 .*"expires_in": 3600/s);
    expect(await post({ subject_token: '' })).toMatch(/^400 .*subject token/);
    expect(await post({ grant_type: 'password' })).toMatch(/^400 .*grant_type/);
    expect(await post({ options: JSON.stringify({ accessBoundary: { accessBoundaryRules: ten } }) })).toMatch(/^400/);
    expect(await post({ options: '{' })).toMatch(/^400/);
    expect(await post({}, { 'content-type': 'application/json' })).toMatch(/^400/);
  });
});

const exchanging = z.object({ stsCredential: z.object({ transporter: z.instanceof(gaxios.Gaxios) }) });

const asForm = { 'content-type': 'application/x-www-form-urlencoded' };

describe("Google's own client on a machine of Google's", () => {
  const email = 'server@a-project.iam.gserviceaccount.com';
  const state: { metadata?: MetadataServer } = {};

  beforeAll(async () => {
    state.metadata = await startMetadataServer({ project: 'a-project', email, tokenSeconds: 600 });
    vi.stubEnv('GCE_METADATA_HOST', state.metadata.host);
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
    vi.stubEnv('CLOUDSDK_CONFIG', '/nonexistent');
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await state.metadata?.close();
  });

  test('finds project, account and token there', async () => {
    const metadata = state.metadata!;
    const auth = new GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' });
    const token = (await auth.getAccessToken()) ?? '';
    expect(metadata.gave(token)).toBe(true);
    expect(metadata.secondsLeft(token)).toBeGreaterThan(590);
    expect(metadata.gave('another')).toBe(false);
    expect(await auth.getCredentials()).toMatchObject({ client_email: email });
    expect(await auth.getProjectId()).toBe('a-project');
    expect(metadata.requests.every(({ headers }) => headers['metadata-flavor'] === 'Google')).toBe(true);
  });

  test('nobody is answered who does not say that he knows whom he asks', async () => {
    const url = `${state.metadata!.url}/computeMetadata/v1/instance/service-accounts/default/token`;
    expect((await fetch(url)).status).toBe(403);
    const asked = (more = {}) => fetch(url, { headers: { 'Metadata-Flavor': 'Google', ...more } });
    expect((await asked({ 'X-Forwarded-For': '10.0.0.1' })).status).toBe(403);
    expect((await asked()).headers.get('metadata-flavor')).toBe('Google');
  });
});
