import { randomBytes } from 'node:crypto';
import type { MetadataServer } from './metadata.ts';
import { type Binding, createPolicy, type Policy } from './policy.ts';
import { type DoorOptions, type Service, services, startDoor, type Visit } from './policy-door.ts';
import { type StsServer, startSts } from './sts.ts';

/** Doors in front of all services, one set for each account: who comes through one counts as that account. */
export interface Access {
  readonly policy: Policy;
  readonly sts: StsServer;
  /** Opens the doors of an account before the services, whose addresses these are. */
  openDoors(email: string, behind: Readonly<Record<Service, string>>): Promise<Doors>;
  /** Closes every door. */
  close(): Promise<void>;
}

export interface Doors {
  readonly endpoints: Readonly<Record<Service, string>>;
  /** Every request that was answered so far. */
  readonly visits: readonly Visit[];
}

export interface AccessOptions {
  /** As `deploy` wrote them. */
  readonly bindings: readonly Binding[];
  /** Over HTTPS, where requests carry credentials of their own and nobody counts as anybody without. */
  readonly secure?: {
    readonly tls: NonNullable<DoorOptions['tls']>;
    /** The metadata server of each account, by its address. */
    readonly metadata: Readonly<Record<string, MetadataServer>>;
  };
}

export async function openAccess({ bindings, secure }: AccessOptions): Promise<Access> {
  const own = new Map<string, string>();
  const accountOf = (token: string): string | undefined => {
    const holders = secure === undefined ? [] : Object.entries(secure.metadata);
    return own.get(token) ?? holders.find(([, metadata]) => metadata.gave(token))?.[0];
  };
  // Who is nobody has nothing to exchange.
  const sts = await startSts({ secondsLeft: (token) => (accountOf(token) === undefined ? undefined : 3600) });
  const policy = createPolicy({ bindings, sts, accountOf });
  const opened: { close(): Promise<void> }[] = [];

  /** Plain HTTP carries no credentials, so the door lends the account's. */
  const tokenFor = (email: string): string => {
    const token = `ya29.d.${randomBytes(32).toString('base64url')}`;
    own.set(token, email);
    return token;
  };

  return {
    policy,
    sts,
    async openDoors(email, behind) {
      const visits: Visit[] = [];
      const ownToken = secure === undefined ? tokenFor(email) : undefined;
      const open = async (service: Service): Promise<[Service, string]> => {
        const door = await startDoor({
          ...{ service, behind: behind[service], policy, ownToken, tls: secure?.tls },
          onVisit: (visit) => void visits.push(visit),
        });
        opened.push(door);
        return [service, door.url];
      };
      const endpoints = Object.fromEntries(await Promise.all(services.map(open))) as Record<Service, string>;
      return { endpoints, visits };
    },
    async close() {
      await Promise.all(opened.map((each) => each.close()));
    },
  };
}
