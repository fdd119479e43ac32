import type { ClaudeConfig } from '../../contracts/claude-config.ts';
import { type Program, type Step, wallPaths } from '../../contracts/sandbox.ts';
import type { ClaudeSpec } from '../../contracts/task.ts';
import type { Patience, StepPatience } from '../patience.ts';
import { cliSchema } from './cli-schema.ts';
import { argumentsFor, configFolder, type LaidFile, laidFiles, laidPaths, startScript } from './laid-files.ts';

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
  const files = laidFiles(spec, schema?.told ?? '', placeholderKey);
  return {
    steps: [
      ...spec.setupCommands.map((command, index) => commandStep(`setup ${index + 1}`, command)),
      claudeStep(spec, schema?.schema, files),
      ...(spec.finishCommands ?? []).map((command, index) => commandStep(`finish ${index + 1}`, command)),
    ],
    env: { ...runVariables, ...spec.env, ...spec.secrets, ...claudeEnvironment(placeholderKey) },
    stdin: Buffer.concat([...files.map(({ content }) => content), Buffer.from(spec.prompt)]),
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

/** The CLI has no network and one turn: what needs either would only cost the model turns. */
const toolsOfNoUse = ['WebSearch', 'WebFetch', 'ScheduleWakeup', 'Monitor', 'CronCreate', 'CronList', 'CronDelete'];

function commandStep(name: string, command: string): Step {
  return { name, argv: ['/bin/bash', '-c', command] };
}

function claudeStep(spec: ClaudeSpec, schema: object | undefined, files: readonly LaidFile[]): Step {
  const fileOption = (name: string, path: string) =>
    option(name, files.some((file) => file.path === path) ? path : undefined);
  const options = [
    '-p',
    '--output-format=stream-json',
    '--verbose',
    '--forward-subagent-text',
    `--permission-mode=${spec.permissionMode}`,
    ...trustOptions(spec.config),
    '--no-session-persistence',
    ...option('model', spec.model),
    ...option('fallback-model', spec.fallbackModel),
    ...option('max-turns', spec.maxTurns),
    ...option('allowedTools', listOf(spec.allowedTools ?? [])),
    ...option('disallowedTools', listOf([...toolsOfNoUse, ...(spec.disallowedTools ?? [])])),
    ...option('json-schema', schema === undefined ? undefined : JSON.stringify(schema)),
    ...fileOption('system-prompt-file', laidPaths.systemPrompt),
    ...fileOption('append-system-prompt-file', laidPaths.appendSystemPrompt),
    ...fileOption('agents', laidPaths.agents),
    ...fileOption('mcp-config', laidPaths.mcp),
    ...fileOption('resume', laidPaths.session),
  ];
  const script = startScript(wallPaths.claude);
  return { name: 'claude', argv: ['/bin/sh', '-c', script, 'claude', ...argumentsFor(files), ...options] };
}

/** What the working directory brings along (settings, hooks, MCP servers) runs only where the caller trusts it. */
function trustOptions({ commands, trustRepoSettings = false }: ClaudeConfig = {}): string[] {
  const sources = [...(commands === undefined ? [] : ['user']), ...(trustRepoSettings ? ['project', 'local'] : [])];
  return [
    `--setting-sources=${sources.join(',')}`,
    trustRepoSettings ? '--settings={"enableAllProjectMcpServers":true}' : '--strict-mcp-config',
  ];
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
    CLAUDE_CONFIG_DIR: configFolder,
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
