import type { OperatorDefaults } from '../contracts/operator.ts';
import type { TaskSpec } from '../contracts/task.ts';

export interface DefaultsSource {
  readonly defaults: OperatorDefaults;
}

/**
 * The spec with what the operator adds to it. The default prompt is appended to Claude's own, and what the caller appends
 * comes after it; where the caller gives a whole system prompt, there is no other.
 */
export async function withDefaults({ defaults }: DefaultsSource, spec: TaskSpec): Promise<TaskSpec> {
  if (spec.kind !== 'claude') return spec;
  const { prices } = defaults;
  const prompt =
    spec.systemPrompt === undefined ? await defaults.systemPrompt(AbortSignal.timeout(readingTimeoutMs)) : undefined;
  return {
    ...spec,
    ...(prices === undefined ? {} : { prices }),
    ...(prompt === undefined ? {} : { appendSystemPrompt: joined(prompt, spec.appendSystemPrompt) }),
  };
}

// --- Internal helpers ---

const readingTimeoutMs = 20_000;

function joined(prompt: string, more: string | undefined): string {
  return more === undefined ? prompt : `${prompt}\n\n${more}`;
}
