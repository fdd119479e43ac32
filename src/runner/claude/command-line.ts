import { type Program, type Step, wallPaths } from '../../contracts/sandbox.ts';
import type { ClaudeSpec } from '../../contracts/task.ts';
import type { Patience, StepPatience } from '../patience.ts';
import { cliSchema } from './cli-schema.ts';

/**
 * Everything that is started in the wall: the caller's setup commands, then claude, then, where that exits with 0, the
 * caller's finish commands.
 */
export function claudeProgram(
  spec: ClaudeSpec,
  placeholderKey: string,
  runVariables: Readonly<Record<string, string>>,
): Omit<Program, 'limits'> {
  const schema = spec.outputSchema === undefined ? undefined : cliSchema(spec.outputSchema);
  const systemPrompt = Buffer.from(spec.systemPrompt ?? '');
  const appendSystemPrompt = Buffer.from([spec.appendSystemPrompt, schema?.told].filter(Boolean).join('\n\n'));
  return {
    steps: [
      ...spec.setupCommands.map((command, index) => commandStep(`setup ${index + 1}`, command)),
      claudeStep(spec, schema?.schema, systemPrompt.length, appendSystemPrompt.length),
      ...(spec.finishCommands ?? []).map((command, index) => commandStep(`finish ${index + 1}`, command)),
    ],
    env: { ...runVariables, ...spec.env, ...spec.secrets, ...claudeEnvironment(placeholderKey) },
    stdin: Buffer.concat([systemPrompt, appendSystemPrompt, Buffer.from(spec.prompt)]),
    stdinStep: placeOfClaude(spec),
  };
}

/** Which of the steps of `claudeProgram` is claude. */
export function placeOfClaude({ setupCommands }: ClaudeSpec): number {
  return setupCommands.length;
}

/** The caller's command that is this step of `claudeProgram`; undefined where it is none. */
export function commandAt(spec: ClaudeSpec, step: number): string | undefined {
  const claude = placeOfClaude(spec);
  return step < claude ? spec.setupCommands[step] : spec.finishCommands?.[step - claude - 1];
}

/** A command has a time of its own; claude may take the whole time of the run, but not in silence. */
export function patienceWith(spec: ClaudeSpec, step: number, { commandMs, silenceMs }: Patience): StepPatience {
  if (step === placeOfClaude(spec)) return { silenceMs };
  return commandAt(spec, step) === undefined ? {} : { stepMs: commandMs };
}

// --- Internal helpers ---

const systemPromptFile = '/tmp/runyard-system-prompt';
const appendSystemPromptFile = '/tmp/runyard-append-system-prompt';

/**
 * Cuts the system prompts off the front of stdin, so that they are neither an argument nor in the workspace. Where the
 * wall's own root runs it (the launcher of Cloud Run), the CLI wants to be told that it is in a sandbox.
 */
const startScript = `umask 077
if [ "$1" != 0 ]; then /usr/bin/head -c "$1" > ${systemPromptFile} || exit 1; fi
if [ "$2" != 0 ]; then /usr/bin/head -c "$2" > ${appendSystemPromptFile} || exit 1; fi
umask 022
shift 2
[ "$(/usr/bin/id -u)" != 0 ] || export IS_SANDBOX=1
exec ${wallPaths.claude} "$@"`;

/** The CLI has no network and one turn: what needs either would only cost the model turns. */
const toolsOfNoUse = ['WebSearch', 'WebFetch', 'ScheduleWakeup', 'Monitor', 'CronCreate', 'CronList', 'CronDelete'];

function commandStep(name: string, command: string): Step {
  return { name, argv: ['/bin/bash', '-c', command] };
}

function claudeStep(spec: ClaudeSpec, schema: object | undefined, systemBytes: number, appendBytes: number): Step {
  const options = [
    '-p',
    '--output-format=stream-json',
    '--verbose',
    '--forward-subagent-text',
    `--permission-mode=${spec.permissionMode}`,
    // What the workspace brings along (settings, hooks, MCP servers) does not run.
    '--setting-sources=',
    '--strict-mcp-config',
    '--no-session-persistence',
    ...option('model', spec.model),
    ...option('fallback-model', spec.fallbackModel),
    ...option('max-turns', spec.maxTurns),
    ...option('allowedTools', listOf(spec.allowedTools ?? [])),
    ...option('disallowedTools', listOf([...toolsOfNoUse, ...(spec.disallowedTools ?? [])])),
    ...option('json-schema', schema === undefined ? undefined : JSON.stringify(schema)),
    ...option('system-prompt-file', systemBytes === 0 ? undefined : systemPromptFile),
    ...option('append-system-prompt-file', appendBytes === 0 ? undefined : appendSystemPromptFile),
  ];
  const sizes = [String(systemBytes), String(appendBytes)];
  return { name: 'claude', argv: ['/bin/sh', '-c', startScript, 'claude', ...sizes, ...options] };
}

/** One word, so that no value is ever read as an option. */
function option(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`--${name}=${value}`];
}

function listOf(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : names.join(',');
}

/** Overrides whatever the caller set: the door, its key, and a CLI that keeps to one answer. */
function claudeEnvironment(placeholderKey: string): Record<string, string> {
  return {
    // Always as an API key: the gateway makes of it what the real credential is.
    ANTHROPIC_API_KEY: placeholderKey,
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${wallPaths.doorPort}`,
    HOME: wallPaths.home,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
    CLAUDE_CODE_DISABLE_CRON: '1',
    CLAUDE_CODE_DISABLE_WORKFLOWS: '1',
    CLAUDE_CODE_DISABLE_AUTO_MEMORY: '1',
    CLAUDE_CODE_DISABLE_FAST_MODE: '1',
    CLAUDE_CODE_DISABLE_WEB_FETCH: '1',
  };
}
