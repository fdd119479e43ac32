import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { protos } from '@google-cloud/run';
import type { Execution } from './cloud-run-executions.ts';
import { executionOnWire } from './cloud-run-wire.ts';
import { notFound } from './failure.ts';
import type { RpcMethod } from './rpc.ts';

type Gax = typeof import('google-gax');
type IOperation = protos.google.longrunning.IOperation;
type Kind = 'Job' | 'Execution';

/** Cloud Run's long-running operations: their metadata and their response are the resource itself. */
export interface Operations {
  /** One that is done as soon as it was asked for. */
  done(kind: Kind, resource: object): IOperation;
  /** One that lasts as long as the execution. */
  ofExecution(execution: Execution): IOperation;
  readonly methods: { readonly GetOperation: RpcMethod<{ name?: string | null }, IOperation> };
}

export function createOperations(location: string): Operations {
  const all = new Map<string, () => Omit<IOperation, 'name'>>();
  const pack = createPacker();
  const keep = (state: () => Omit<IOperation, 'name'>): IOperation => {
    const name = `${location}/operations/${randomUUID()}`;
    all.set(name, state);
    return { name, ...state() };
  };

  return {
    done(kind, resource) {
      const packed = pack(kind, resource);
      return keep(() => ({ done: true, metadata: packed, response: packed }));
    },
    ofExecution: (execution) =>
      keep(() => {
        const packed = pack('Execution', executionOnWire(execution));
        return execution.completedMs === undefined
          ? { done: false, metadata: packed }
          : { done: true, metadata: packed, response: packed };
      }),
    methods: {
      GetOperation: {
        http: [{ method: 'get', path: '/v2/{name=projects/*/locations/*/operations/*}' }],
        needs: ({ name }) => ({ permission: 'run.operations.get', resource: name! }),
        handle({ name }) {
          const state = all.get(name!);
          if (state === undefined) throw notFound(`Operation ${name} does not exist.`);
          return { name: name!, ...state() };
        },
      },
    },
  };
}

// --- Internal helpers ---

/** A message of Cloud Run as an Any. */
function createPacker() {
  const require = createRequire(import.meta.url);
  const gax: Gax = createRequire(require.resolve('@google-cloud/run'))('google-gax');
  const root = gax.protobuf.Root.fromJSON(require('@google-cloud/run/build/protos/protos.json'));
  return (kind: Kind, message: object) => {
    const type = root.lookupType(`google.cloud.run.v2.${kind}`);
    const value = type.encode(type.fromObject(message)).finish();
    return { type_url: `type.googleapis.com/google.cloud.run.v2.${kind}`, value };
  };
}
