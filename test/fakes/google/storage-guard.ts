import type { Authorize } from './server.ts';
import { denied, invalidToken, type StorageFailure } from './storage-failure.ts';

/** Who may do what; everybody everything where nothing is given. */
export interface Access {
  /** Asked for every permission that an act needs, on `projects/_/buckets/B[/objects/NAME]`. */
  readonly authorize?: Authorize;
  /** Whose token it is; Google does not take one that is nobody's. */
  readonly accountOf?: (token: string) => string | undefined;
  /** As whom a request without a token counts; as nobody's where not given. */
  readonly withoutToken?: string;
  /** Whether who may not overwrite hears of that before a precondition is looked at. */
  readonly deniesOverwriteFirst?: boolean;
}

export interface Guard {
  readonly deniesOverwriteFirst: boolean;
  /** Throws for a token that Google does not take. */
  admit(token: string | undefined): void;
  /** The refusal; undefined where it is allowed. */
  refusal(act: Act): StorageFailure | undefined;
  allow(act: Act): void;
}

export interface Act {
  readonly token: string | undefined;
  readonly permission: string;
  readonly bucket: string;
  /** Of the object, where it is about one. */
  readonly name?: string;
}

export function createGuard(access: Access): Guard {
  const { authorize = () => true, accountOf = () => 'account@example.com', withoutToken } = access;
  const refusal = ({ token, permission, bucket, name }: Act) => {
    const resource = `projects/_/buckets/${bucket}${name === undefined ? '' : `/objects/${name}`}`;
    if (authorize({ token, permission, resource })) return undefined;
    return denied(token === undefined ? withoutToken : accountOf(token), permission);
  };
  return {
    deniesOverwriteFirst: access.deniesOverwriteFirst ?? false,
    admit(token) {
      if (token !== undefined && accountOf(token) === undefined) throw invalidToken();
    },
    refusal,
    allow(act) {
      const refused = refusal(act);
      if (refused !== undefined) throw refused;
    },
  };
}
