/** What is there of a step. */
export type Found =
  | { readonly state: 'there'; readonly note?: string }
  | { readonly state: 'missing' }
  /** `how` says in words what is not as it should be. */
  | { readonly state: 'differs'; readonly how: string };

/** One thing that an installation has. It looks before it makes: run again, a step that was done does nothing. */
export interface Step {
  /** What it is, such as `Bucket demo-runyard`. */
  readonly title: string;
  /** For people: how it is made, and why so. */
  readonly makes: readonly string[];
  /** The same for a shell, word by word. */
  readonly gcloud: readonly string[];
  look(): Promise<Found>;
  /** Makes it, or mends what differs. Resolves to a note for people where there is one. */
  make(): Promise<string | undefined>;
  readonly end: End;
}

/** What becomes of it when the installation is removed. */
export type End =
  | {
      readonly goes: true;
      /** False where it was not there. */
      remove(): Promise<boolean>;
    }
  | {
      readonly goes: false;
      /** Why it stays. */
      readonly why: string;
      /** What takes it away all the same. */
      readonly gcloud: readonly string[];
    };

/** Goes with something else that is removed, or was never a thing of its own. */
export const goesWithOthers: End = { goes: true, remove: async () => false };
