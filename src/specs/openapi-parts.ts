/** What the operations of the document are made of. */

export function operation(operationId: string, tag: string, summary: string) {
  return { operationId, tags: [tag], summary };
}

export function query(name: string, schema: object) {
  return { name, in: 'query', required: false, schema };
}

export function path(name: string, schema: object) {
  return { name, in: 'path', required: true, schema };
}

export const problems = { default: { $ref: '#/components/responses/Problem' } };

export function ref(name: string) {
  return { $ref: `#/components/schemas/${name}` };
}

export function json(schema: object) {
  return { 'application/json': { schema } };
}
