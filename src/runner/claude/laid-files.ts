import type { ClaudeConfig } from '../../contracts/claude-config.ts';
import type { ClaudeSpec } from '../../contracts/task.ts';
import { mcpConfig } from './mcp-servers.ts';
import { restoredNote, sessionText } from './session.ts';

/**
 * What claude reads besides its prompt. It goes through stdin into a folder outside of the working directory, where no
 * commit finds it and no argument shows it, and is laid anew right before claude starts.
 */

/** One file, cut off the front of stdin. */
export interface LaidFile {
  readonly path: string;
  readonly content: Buffer;
}

const folder = '/tmp/runyard';
/** Where claude looks for what belongs to its user: whatever lies in the home there is none of ours. */
export const configFolder = `${folder}/config`;
export const laidPaths = {
  systemPrompt: `${folder}/system-prompt`,
  appendSystemPrompt: `${folder}/append-system-prompt`,
  agents: `${folder}/agents.json`,
  mcp: `${folder}/mcp.json`,
  session: `${folder}/session.jsonl`,
} as const;

/** `told` is what Runyard itself adds to the system prompt, the key what claude shows at the door. */
export function laidFiles(spec: ClaudeSpec, told: string, placeholderKey: string): LaidFile[] {
  const { systemPrompt, appendSystemPrompt, config = {}, earlier } = spec;
  const restored = earlier === undefined ? '' : restoredNote;
  return [
    laid(laidPaths.systemPrompt, systemPrompt),
    laid(laidPaths.appendSystemPrompt, [appendSystemPrompt, told, restored].filter(Boolean).join('\n\n')),
    laid(laidPaths.agents, config.agents === undefined ? '' : JSON.stringify(config.agents)),
    laid(laidPaths.mcp, config.mcpServers === undefined ? '' : mcpConfig(config.mcpServers, placeholderKey)),
    laid(laidPaths.session, earlier === undefined ? '' : sessionText(earlier)),
    ...Object.entries(config.commands ?? {}).map(([name, command]) =>
      laid(`${configFolder}/commands/${name}.md`, commandText(command)),
    ),
  ].filter(({ content }) => content.length > 0);
}

/**
 * A shell script that lays the files named by its arguments (path, bytes, …, `--`) and goes on with the rest as claude's.
 * The prompt becomes a file too: the CLI reads a stdin that is one from its beginning, whatever was cut off.
 * Where the wall's own root runs it (the launcher of Cloud Run), the CLI wants to be told that it is in a sandbox.
 */
export function startScript(claude: string): string {
  return `umask 077
/bin/rm -rf ${folder} && /bin/mkdir -p ${configFolder} || exit 1
while [ "$1" != -- ]; do
  /bin/mkdir -p "\${1%/*}" && /usr/bin/head -c "$2" > "$1" || exit 1
  shift 2
done
shift
/bin/cat > ${folder}/prompt || exit 1
umask 022
[ "$(/usr/bin/id -u)" != 0 ] || export IS_SANDBOX=1
exec ${claude} "$@" < ${folder}/prompt`;
}

/** The arguments of `startScript` for these files. */
export function argumentsFor(files: readonly LaidFile[]): string[] {
  return [...files.flatMap(({ path, content }) => [path, String(content.length)]), '--'];
}

// --- Internal helpers ---

function laid(path: string, text = ''): LaidFile {
  return { path, content: Buffer.from(text) };
}

/** JSON is YAML, and has no line break in a text; the CLI takes three dashes anywhere for the end of a frontmatter. */
function commandText({ content, description }: NonNullable<ClaudeConfig['commands']>[string]): string {
  if (description === undefined) return content;
  return `---\ndescription: ${JSON.stringify(description).replaceAll('--', '\\u002d\\u002d')}\n---\n${content}`;
}
