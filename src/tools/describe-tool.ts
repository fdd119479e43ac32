import { z } from 'zod';
import type { Tool } from './define-tool.ts';

/** A tool as every face shows it, in the words of MCP. */
export function describeTool<Services>({ name, title, description, hints, input, output }: Tool<Services>) {
  return {
    name,
    title,
    description,
    inputSchema: jsonSchemaOf(input, 'input'),
    outputSchema: jsonSchemaOf(output, 'output'),
    annotations: { title, ...hints },
  };
}

const objectSchema = z.object({ type: z.literal('object') }).catchall(z.json());

/** JSON Schema 2020-12 that is also valid draft-07. */
export function jsonSchemaOf(schema: z.ZodObject, io: 'input' | 'output') {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', override: compact });
  return objectSchema.parse(withoutTypeLists(rest));
}

/** Of a record whose description says what its values look like; they are checked all the same. */
export const shapeInWords = 'shapeInWords';

/** Says less where that changes nothing: fewer tokens for every client, and outputs may grow without breaking one. */
function compact({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: z.core.JSONSchema.BaseSchema }) {
  delete jsonSchema.propertyNames;
  if (jsonSchema[shapeInWords] === true) jsonSchema.additionalProperties = { type: 'object' };
  delete jsonSchema[shapeInWords];
  if (isEmpty(jsonSchema.additionalProperties)) jsonSchema.additionalProperties = true;
  const { def } = zodSchema._zod;
  if (def.type === 'object' && !('catchall' in def && def.catchall !== undefined))
    delete jsonSchema.additionalProperties;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
}

function isEmpty(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && Object.keys(schema).length === 0;
}

/** Some clients read no list of types: each becomes an alternative. */
function withoutTypeLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTypeLists);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === 'type' && Array.isArray(inner)
        ? ['anyOf', inner.map((type) => ({ type }))]
        : [key, withoutTypeLists(inner)],
    ),
  );
}
