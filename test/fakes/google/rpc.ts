import { createRequire } from 'node:module';
import { invalidArgument, permissionDenied } from './failure.ts';
import { camelCase, checkedJson, type Json, type JsonObject } from './proto-json.ts';
import { type Answer, type Authorize, json, type RecordedRequest } from './server.ts';

/** Serves the methods of a service as its own protos say: their HTTP annotations, their messages, their enums. */

type Gax = typeof import('google-gax');
type ProtoMethod = ReturnType<InstanceType<Gax['protobuf']['Root']>['lookupService']>['methodsArray'][number];

/** One method of a service. `Request` and `Response` are the interfaces that the client's package declares. */
export interface RpcMethod<Request, Response> {
  /** What the caller needs, and on what; undefined where everybody may. */
  readonly needs: (request: Request) => Need | undefined;
  readonly handle: (request: Request, token: string | undefined) => Response;
  /** Where the service differs from the annotations of its protos. */
  readonly http?: readonly HttpRule[];
}

export interface Need {
  readonly permission: string;
  readonly resource: string;
}

/** `path` is a template such as `/v1/{name=projects/*}:verb`. */
export interface HttpRule {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: string;
  /** The field that the body is, `*` for the whole request. */
  readonly body?: string;
}

export interface RpcService {
  /** The package whose `build/protos/protos.json` describes the service. */
  readonly client: '@google-cloud/kms' | '@google-cloud/run' | '@google-cloud/secret-manager';
  readonly name: string;
  /** Of the errors. */
  readonly domain: string;
  readonly methods: Readonly<Record<string, AnyRpcMethod>>;
}

// biome-ignore lint/suspicious/noExplicitAny: each method is typed where it is written; here they stand in one list.
type AnyRpcMethod = RpcMethod<any, any>;

/** What a request is answered with; undefined where its address is none of the service. Throws a GoogleFailure. */
export function createRpcRouter(
  { client, name, domain, methods }: RpcService,
  authorize: Authorize = () => true,
): (request: RecordedRequest) => Answer | undefined {
  const require = createRequire(import.meta.url);
  const gax: Gax = createRequire(require.resolve(client))('google-gax');
  const root = gax.protobuf.Root.fromJSON(require(`${client}/build/protos/protos.json`));
  root.resolveAll();
  const routes = Object.entries(methods).flatMap(([methodName, method]) => {
    const proto = root.lookupService(name).methods[methodName];
    if (proto === undefined) throw new Error(`${name} has no method ${methodName}`);
    return (method.http ?? rulesOf(proto)).map((rule) => ({ rule, matcher: matcherOf(rule.path), proto, method }));
  });

  return (request) => {
    const { pathname, searchParams } = new URL(request.url, 'http://fake');
    for (const { rule, matcher, proto, method } of routes) {
      const variables = rule.method === request.method.toLowerCase() ? matcher(pathname) : undefined;
      if (variables === undefined) continue;
      const type = proto.resolvedRequestType!;
      const raw = requestJson(rule, request.body, variables, searchParams);
      const message = decoded(() => gax.serializer.fromProto3JSON(type, checkedJson(type, raw, '')));
      const input = type.toObject(message!, { longs: String, enums: String });
      const need: Need | undefined = method.needs(input);
      if (need !== undefined && !authorize({ token: request.token, ...need }))
        throw permissionDenied(need.permission, need.resource, domain);
      const output = proto.resolvedResponseType!.fromObject(method.handle(input, request.token));
      const numericEnums = (searchParams.get('$alt') ?? '').includes('enum-encoding=int');
      return json(gax.serializer.toProto3JSON(output, { numericEnums }));
    }
    return undefined;
  };
}

// --- Internal helpers ---

type Annotation = Partial<Record<HttpRule['method'] | 'body', string>>;

/** The annotation and its additional binding: protobufjs keeps one of them. */
function rulesOf({ parsedOptions }: ProtoMethod): HttpRule[] {
  const options: Record<string, Annotation & { additional_bindings?: Annotation | Annotation[] }>[] =
    parsedOptions ?? [];
  const http = options.map((option) => option['(google.api.http)']).find((each) => each !== undefined);
  if (http === undefined) return [];
  return [http, ...[http.additional_bindings ?? []].flat()].flatMap(ruleOf);
}

function ruleOf(annotation: Annotation): HttpRule[] {
  return (['get', 'post', 'put', 'patch', 'delete'] as const).flatMap((method) => {
    const path = annotation[method];
    const body = annotation.body === undefined ? {} : { body: annotation.body };
    return path === undefined ? [] : [{ method, path, ...body }];
  });
}

/** The variables of a path that fits the template, decoded; undefined for one that does not. */
function matcherOf(template: string): (path: string) => Record<string, string> | undefined {
  const names: string[] = [];
  const pattern = template.replace(/\{([\w.]+)=([^}]+)\}|[.*+?^$()|[\]\\]/g, (text, name: string, inner: string) => {
    if (name === undefined) return `\\${text}`;
    names.push(name);
    return `(${inner.replaceAll('**', '\0').replaceAll('*', '[^/:]+').replaceAll('\0', '[^:]+')})`;
  });
  const whole = new RegExp(`^${pattern}$`);
  return (path) => {
    const values = whole.exec(path)?.slice(1);
    return values && Object.fromEntries(values.map((value, at) => [names[at]!, decodeURIComponent(value)]));
  };
}

/** Body, then query, then path, as one JSON of the request message. */
function requestJson(
  rule: HttpRule,
  body: string,
  variables: Record<string, string>,
  query: URLSearchParams,
): JsonObject {
  const request: JsonObject = {};
  if (rule.body !== undefined) {
    const parsed = parseObject(body);
    if (rule.body === '*') Object.assign(request, parsed);
    else request[camelCase(rule.body)] = parsed;
  }
  for (const [name, value] of query) if (!name.startsWith('$')) put(request, name, value);
  for (const [name, value] of Object.entries(variables)) put(request, name, value);
  return request;
}

function parseObject(body: string): JsonObject {
  const parsed = decoded<Json>(() => (body === '' ? {} : JSON.parse(body)));
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  throw invalidArgument('Invalid JSON payload received. Root element must be a message.');
}

/** `a.b_c` is the field bC of the field a. */
function put(request: JsonObject, dotted: string, value: string): void {
  const names = dotted.split('.').map(camelCase);
  const last = names.pop()!;
  const place = names.reduce((at, name) => {
    at[name] ??= {};
    return at[name] as JsonObject;
  }, request);
  place[last] = value;
}

function decoded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && error.name === 'GoogleFailure') throw error;
    throw invalidArgument(`Invalid JSON payload received. ${error instanceof Error ? error.message : error}`);
  }
}
