import { invalidArgument } from './failure.ts';

type Gax = typeof import('google-gax');
type ProtoType = ReturnType<InstanceType<Gax['protobuf']['Root']>['lookupType']>;
type ProtoField = ProtoType['fields'][string];

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

/**
 * The JSON of a message with camel-case names, as Google reads it: a field that the message does not have, a value that
 * is none of its enum and a text that is no base64 are refused. Numbers and booleans of a query are still texts.
 */
export function checkedJson(type: ProtoType, value: Json, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidArgument(`Invalid value at '${path}': a message is expected.`);
  const entries = Object.entries(value).map(([name, inner]) => {
    const field = type.fields[name] ?? type.fields[camelCase(name)];
    if (field === undefined)
      throw invalidArgument(
        `Invalid JSON payload received. Unknown name "${name}"${path === '' ? '' : ` at '${path}'`}: Cannot find field.`,
      );
    return [field.name, checkedField(field, inner, path === '' ? name : `${path}.${name}`)] as const;
  });
  return Object.fromEntries(entries);
}

export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** A google.protobuf.Timestamp. */
export type Timestamp = { readonly seconds: number };

export function now(): Timestamp {
  return { seconds: Math.floor(Date.now() / 1000) };
}

// --- Internal helpers ---

function checkedField(field: ProtoField, value: Json, path: string): Json {
  if (value === null) return value;
  if (field.repeated) {
    if (!Array.isArray(value)) throw invalidArgument(`Invalid value at '${path}': a list is expected.`);
    return value.map((each, at) => checkedValue(field, each, `${path}[${at}]`));
  }
  if (field.map && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, checkedValue(field, each, `${path}[${key}]`)]),
    );
  return checkedValue(field, value, path);
}

function checkedValue(field: ProtoField, value: Json, path: string): Json {
  const { resolvedType } = field;
  if (resolvedType !== null && 'values' in resolvedType) {
    const known = resolvedType.values;
    if (typeof value === 'string' && !(value in known))
      throw invalidArgument(`Invalid value at '${path}' (${resolvedType.name}), "${value}"`);
    return value;
  }
  if (resolvedType !== null) {
    // Durations, timestamps, masks and wrappers have a JSON of their own.
    return resolvedType.fullName.startsWith('.google.protobuf.')
      ? value
      : checkedJson(resolvedType as ProtoType, value, path);
  }
  if (field.type === 'bytes' && typeof value === 'string' && !/^[\w+/-]*={0,2}$/.test(value))
    throw invalidArgument(`Invalid value at '${path}' (TYPE_BYTES), Base64 decoding failed.`);
  if (field.type === 'bool' && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}
