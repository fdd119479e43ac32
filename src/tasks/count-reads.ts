import type { Store } from '../contracts/store.ts';

/** The same store, which tells how often it was read from. */
export function countReads(store: Store): { readonly store: Store; readonly reads: () => number } {
  let reads = 0;
  const counted: Store = {
    create: (key, data) => store.create(key, data),
    persist: (key) => store.persist(key),
    read(key, range) {
      reads++;
      return store.read(key, range);
    },
    list(prefix, options) {
      reads++;
      return store.list(prefix, options);
    },
    remove: (key) => store.remove(key),
    removeAll: (prefix) => store.removeAll(prefix),
    touch: (key) => store.touch(key),
    expire: (prefix, olderThanMs) => store.expire(prefix, olderThanMs),
    close: () => store.close(),
  };
  return { store: counted, reads: () => reads };
}
