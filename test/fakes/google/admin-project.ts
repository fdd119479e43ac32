import { concurrentChange, type Policies } from './admin-policies.ts';
import { objectAt, projectNumber, refuse, type Service, type World } from './admin-world.ts';
import { GoogleFailure } from './failure.ts';

/** Service Usage, Resource Manager and IAM's service accounts. */
export function projectServices(world: World, policies: Policies): Service[] {
  return [serviceUsage(world), resourceManager(world, policies), iam(world)];
}

function serviceUsage(world: World): Service {
  const { project, options } = world;
  const requireProject = (asked: string) => {
    if (asked === project && !options.noProject) return;
    throw new GoogleFailure('PERMISSION_DENIED', `Permission denied on resource project ${asked}.`, [
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'CONSUMER_INVALID', domain: 'googleapis.com' },
    ]);
  };
  return {
    host: 'serviceusage.googleapis.com',
    always: true,
    routes: [
      {
        method: 'GET',
        path: /^\/v1\/projects\/([^/]+)\/services:batchGet$/,
        answer({ groups: [asked = ''], query }) {
          requireProject(asked);
          const services = query.getAll('names').map((name) => ({
            name: name.replace(/^projects\/[^/]+/, `projects/${projectNumber}`),
            state: world.enabled.has(name.split('/').at(-1)!) ? 'ENABLED' : 'DISABLED',
          }));
          return { services };
        },
      },
      {
        method: 'POST',
        path: /^\/v1\/projects\/([^/]+)\/services:batchEnable$/,
        answer({ groups: [asked = ''], body }) {
          requireProject(asked);
          if (options.billingOff) throw noBilling();
          const ids = body.serviceIds as string[];
          if (ids.length > 20) refuse('INVALID_ARGUMENT', 'At most 20 services can be enabled at once.');
          for (const id of ids) {
            if (world.enabled.has(id)) continue;
            world.enabled.add(id);
            world.justMade(id);
            world.made.push(`api ${id}`);
          }
          return { name: 'operations/acf.enable', done: false };
        },
      },
      {
        method: 'GET',
        path: /^\/v1\/(operations\/acf\.enable)$/,
        answer: ({ groups: [name] }) => ({ name, done: true, response: {} }),
      },
    ],
  };
}

function noBilling(): GoogleFailure {
  const message = `Billing account for project '${projectNumber}' is not found. Billing must be enabled for activation of service(s) to proceed.`;
  return new GoogleFailure('FAILED_PRECONDITION', message, [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'UREQ_PROJECT_BILLING_NOT_FOUND',
      domain: 'serviceusage.googleapis.com/billing-enabled',
      metadata: { project: projectNumber },
    },
  ]);
}

function resourceManager({ project }: World, policies: Policies): Service {
  return {
    host: 'cloudresourcemanager.googleapis.com',
    routes: [
      {
        method: 'GET',
        path: /^\/v3\/projects\/([^/:]+)$/,
        answer: () => ({ name: `projects/${projectNumber}`, projectId: project, state: 'ACTIVE' }),
      },
      {
        method: 'POST',
        path: /^\/v3\/(projects\/[^/:]+):getIamPolicy$/,
        answer: ({ groups: [name = ''], body }) =>
          policies.get(name, Number(objectAt(body, 'options').requestedPolicyVersion ?? 1)),
      },
      {
        method: 'POST',
        path: /^\/v3\/(projects\/[^/:]+):setIamPolicy$/,
        answer: ({ groups: [name = ''], body }) => policies.set(name, objectAt(body, 'policy'), concurrentChange),
      },
    ],
  };
}

function iam(world: World): Service {
  const accountPath = '/v1/projects/[^/]+/serviceAccounts';
  const at = (email: string) => {
    const unknown = () => new GoogleFailure('NOT_FOUND', `Unknown service account: ${email}`);
    const account = world.accounts.get(email);
    if (account === undefined) throw unknown();
    world.requireHeard(`${email} by name`, unknown);
    return account;
  };
  return {
    host: 'iam.googleapis.com',
    routes: [
      {
        method: 'POST',
        path: new RegExp(`^${accountPath}$`),
        answer({ body }) {
          const id = String(body.accountId);
          if (!/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(id)) refuse('INVALID_ARGUMENT', 'Invalid account id.');
          const email = `${id}@${world.project}.iam.gserviceaccount.com`;
          if (world.accounts.has(email))
            refuse('ALREADY_EXISTS', `Service account ${id} already exists within project.`);
          world.accounts.set(email, { email, ...objectAt(body, 'serviceAccount') });
          world.justMade(email);
          world.justMade(`${email} by name`);
          world.made.push(`account ${id}`);
          return world.accounts.get(email);
        },
      },
      { method: 'GET', path: new RegExp(`^${accountPath}/([^/:]+)$`), answer: ({ groups: [email = ''] }) => at(email) },
      {
        method: 'POST',
        path: new RegExp(`^${accountPath}/([^/:]+):enable$`),
        answer({ groups: [email = ''] }) {
          world.accounts.set(email, { ...at(email), disabled: false });
          return {};
        },
      },
      {
        method: 'DELETE',
        path: new RegExp(`^${accountPath}/([^/:]+)$`),
        answer({ groups: [email = ''] }) {
          at(email);
          world.accounts.delete(email);
          return {};
        },
      },
    ],
  };
}
