import type { z } from 'zod';
import type { Caller } from '../contracts/caller.ts';
import { RunyardError } from '../contracts/errors.ts';
import { invalidRequest } from './invalid-request.ts';

/** Where the hints are wrong, a client asks too often or too seldom: all four are always said. */
export interface ToolHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

/** One call: who asks, and how to stop waiting for the answer. */
export interface Call {
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

export interface Image {
  readonly mimeType: string;
  readonly bytes: Buffer;
}

export interface ToolDefinition<I extends z.ZodObject, O extends z.ZodObject, Services> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly hints: ToolHints;
  readonly input: I;
  readonly output: O;
  /** Returns data, or throws a RunyardError. */
  readonly handle: (input: z.output<I>, call: Call, services: Services) => Promise<z.output<O>>;
  /** What a model reads: short, with what to do next. Untrusted text stands in it only by `quoteUntrusted`. */
  readonly tell: (output: z.output<O>) => string;
  /** Pictures that belong to the answer, fetched only by a face that can show them. */
  readonly pictures?: (output: z.output<O>, call: Call, services: Services) => Promise<readonly Image[]>;
}

/** A tool as the faces see it: the types of its fields are hidden, the checks are not. */
export interface Tool<Services> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly hints: ToolHints;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  /** Throws `invalid_request` naming every wrong field, and does nothing. */
  readonly check: (input: unknown) => void;
  /** Parses, handles, and checks the output before it leaves. Throws `invalid_request` naming every wrong field. */
  readonly call: (input: unknown, call: Call, services: Services) => Promise<ToolAnswer>;
}

export interface ToolAnswer {
  readonly output: Record<string, unknown>;
  readonly text: () => string;
  readonly pictures: () => Promise<readonly Image[]>;
}

/** An output_schema of 32 levels fits; what would exhaust the stack of a parser does not. */
const nestingMax = 100;
/** 1,000 files and what a program can take as arguments fit. */
const valuesMax = 100_000;

export function defineTool<I extends z.ZodObject, O extends z.ZodObject, Services>(
  definition: ToolDefinition<I, O, Services>,
): Tool<Services> {
  const { name, title, description, hints, input, output, handle, tell, pictures } = definition;
  const parse = (raw: unknown): z.output<I> => {
    const fault = shapeFault(raw);
    if (fault !== undefined) throw new RunyardError('invalid_request', `input: ${fault}`);
    const parsed = input.safeParse(raw);
    if (!parsed.success) throw invalidRequest(parsed.error, raw);
    return parsed.data;
  };
  return {
    name,
    title,
    description,
    hints,
    input,
    output,
    check: (raw) => void parse(raw),
    async call(raw, call, services) {
      const answer = output.parse(await handle(parse(raw), call, services));
      return {
        output: answer,
        text: () => tell(answer),
        pictures: async () => (pictures === undefined ? [] : pictures(answer, call, services)),
      };
    },
  };
}

/** Why a request is not worth a look at its fields: each wrong value becomes an issue with a path of its own. */
function shapeFault(raw: unknown): string | undefined {
  const left = { values: valuesMax };
  const faultWithin = (value: unknown, levels: number): string | undefined => {
    left.values -= 1;
    if (left.values < 0) return `holds more than ${valuesMax} values`;
    if (typeof value !== 'object' || value === null) return undefined;
    if (levels === 0) return 'is nested too deeply';
    for (const inner of Object.values(value)) {
      const fault = faultWithin(inner, levels - 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  return faultWithin(raw, nestingMax);
}
