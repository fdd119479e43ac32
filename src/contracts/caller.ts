/** Who calls. The owner is namespaced: `local:{uid}` on stdio, `key:{id}` over HTTP. */
export interface Caller {
  readonly owner: string;
}
