import { OAuth2Client, PassThroughClient } from 'google-auth-library';

/** Options with which one of Google's generated clients, unchanged, talks to a fake. */
export function clientOf(url: string, token?: string) {
  const { hostname, port } = new URL(url);
  const place = { apiEndpoint: hostname, port: Number(port), protocol: 'http', fallback: true as const };
  return {
    ...place,
    projectId: 'a-project',
    authClient: token === undefined ? new PassThroughClient() : bearer(token),
  };
}

function bearer(token: string): OAuth2Client {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: token });
  return client;
}

/** How long a call may take, and that it is not tried again. */
export const oneTry = { timeout: 5000, retry: null };
