/** A JSON Schema as the CLI's own check takes it. */
export interface CliSchema {
  readonly schema: Record<string, unknown>;
  /** The whole schema in words for the model, where the CLI gets less than all of it. */
  readonly told?: string;
}

type Schema = Readonly<Record<string, unknown>>;

/**
 * The schema without what draft 07 does not know: the CLI refuses to start with an unknown keyword. What is left out
 * only loosens the CLI's own check; the run is judged by the whole schema.
 */
export function cliSchema(schema: Schema): CliSchema {
  const { $schema: _dialect, ...plain } = schema;
  const known = knownOf(plain);
  if (JSON.stringify(known) === JSON.stringify(plain)) return { schema: known };
  return { schema: known, told: `The structured output must fit this JSON Schema:\n${JSON.stringify(schema)}` };
}

// --- Internal helpers ---

const plainKeywords = [
  ...['$id', '$ref', '$comment', 'title', 'description', 'default', 'examples', 'readOnly', 'writeOnly', 'type'],
  ...['enum', 'const', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum', 'maxLength'],
  ...['minLength', 'pattern', 'maxItems', 'minItems', 'uniqueItems', 'maxProperties', 'minProperties', 'required'],
  ...['format', 'contentMediaType', 'contentEncoding'],
];
const schemaKeywords = ['additionalItems', 'items', 'contains', 'additionalProperties', 'propertyNames'];
const conditionKeywords = ['not', 'if', 'then', 'else'];
const listKeywords = ['allOf', 'anyOf', 'oneOf', 'items'];
const mapKeywords = ['properties', 'patternProperties', 'definitions', '$defs', 'dependencies'];

const isPlain = new Set(plainKeywords);
const isSchema = new Set([...schemaKeywords, ...conditionKeywords]);
const isList = new Set(listKeywords);
const isMap = new Set(mapKeywords);

function knownOf(schema: Schema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([name]) => !meansMoreHere(name, schema))
      .flatMap(([name, value]) => known(name, value)),
  );
}

function known(name: string, value: unknown): [string, unknown][] {
  if (isPlain.has(name)) return [[name, value]];
  if (isList.has(name) && Array.isArray(value)) return [[name, value.map(inner)]];
  if (isSchema.has(name)) return [[name, inner(value)]];
  if (!isMap.has(name) || !isObject(value)) return [];
  return [[name, Object.fromEntries(Object.entries(value).map(([key, schema]) => [key, inner(schema)]))]];
}

/** Keywords that draft 07 would read more strictly without a neighbour it does not know. */
function meansMoreHere(name: string, schema: Schema): boolean {
  if (name === 'items') return 'prefixItems' in schema;
  if (name === 'contains') return 'minContains' in schema;
  return name === 'not' && isObject(schema.not) && JSON.stringify(knownOf(schema.not)) !== JSON.stringify(schema.not);
}

function inner(value: unknown): unknown {
  return isObject(value) ? knownOf(value) : value;
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
