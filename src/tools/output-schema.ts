import { RunyardError } from '../contracts/errors.ts';

const schemaBytesMax = 64 * 1024;
const schemaDepthMax = 32;

/**
 * Refuses what is no JSON Schema, without ever compiling it: a schema of a stranger can be a bomb, and only its
 * meta-schema is run here. Throws `invalid_request`.
 */
export async function checkOutputSchema(schema: Readonly<Record<string, unknown>>): Promise<void> {
  if (Buffer.byteLength(JSON.stringify(schema)) > schemaBytesMax) throw refusal('is larger than 64 KiB');
  for (const fault of faultsOf(schema, 0)) throw refusal(fault);
  const fault = await metaSchemaFault(schema);
  if (fault !== undefined) throw refusal(fault);
}

function refusal(fault: string): RunyardError {
  return new RunyardError('invalid_request', `output_schema: ${fault}`);
}

/** What the meta-schema does not see: depth, references to elsewhere, patterns that are no regular expressions. */
function* faultsOf(value: unknown, depth: number): Generator<string> {
  if (depth > schemaDepthMax) yield `is nested deeper than ${schemaDepthMax} levels`;
  else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      if (typeof inner === 'string') yield* faultsOfText(name, inner);
      else yield* faultsOf(inner, depth + 1);
    }
  }
}

function* faultsOfText(name: string, text: string): Generator<string> {
  if ((name === '$ref' || name === '$dynamicRef') && !text.startsWith('#')) yield `has a ${name} that is not local`;
  if (name === 'pattern' && !isRegularExpression(text)) yield 'has a pattern that is no regular expression';
}

function isRegularExpression(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

async function metaSchemaFault(schema: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  const dialect = schema.$schema;
  const draft07 = typeof dialect === 'string' && /^https?:\/\/json-schema\.org\/draft-0[67]\/schema#?$/.test(dialect);
  const { Ajv } = draft07
    ? await import('ajv')
    : await import('ajv/dist/2020.js').then(({ Ajv2020 }) => ({ Ajv: Ajv2020 }));
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false, addUsedSchema: false });
  const { $schema, ...rest } = schema;
  if (ajv.validateSchema(draft07 ? { ...rest, $schema: 'http://json-schema.org/draft-07/schema#' } : rest))
    return undefined;
  const [first] = ajv.errors ?? [];
  return `is no JSON Schema: ${first?.instancePath ?? ''} ${first?.message ?? 'is not valid'}`.replace(/ {2,}/g, ' ');
}
