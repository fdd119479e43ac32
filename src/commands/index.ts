import { RunyardError } from '../contracts/errors.ts';
import { SettingsError } from '../lib/settings.ts';

/** Resolves to the exit code of the process. */
type Command = (flags: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./demo.ts')).demo,
  serve: async () => (await import('./serve.ts')).serve,
  doctor: async () => (await import('./doctor.ts')).doctor,
  deploy: async () => (await import('./deploy.ts')).deploy,
  run: async () => (await import('./run.ts')).run,
  specs: async () => (await import('./specs.ts')).specs,
};

const usage = `Usage: runyard COMMAND [FLAGS]

  serve                      MCP on stdin and stdout
  serve --http host:port     MCP, REST and OpenAPI over HTTP
  run FILE --out DIR         a file of tasks, a few at a time, their results in a folder
  doctor [--json]            what is here, what is missing, and how to bring it
  demo                       a tour of what it does, on this machine
  deploy [--plan | --remove] [--image REF] [--service] [--vpc NETWORK/SUBNET]
                             everything in your own Google Cloud project that Runyard needs there
  specs [--check]            write (or check) the generated files in tool-specs/
  --version
`;

/** One command to its end. What the operator said wrong is a sentence and exit code 2. */
export async function runCommand([name = '', ...flags]: readonly string[]): Promise<number> {
  if (name === '--version') return printVersion();
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) return printUsage(name);
  try {
    return await (await load())(flags);
  } catch (error) {
    if (error instanceof SettingsError) return refuse(name, error.message, 2);
    if (error instanceof RunyardError) return refuse(name, `${error.message} ${error.hint}`, 1);
    // What the system refused names itself: a full disk, a file of somebody else. All else is a fault of ours, with its stack.
    if (error instanceof Error && 'syscall' in error) return refuse(name, `${error.message}.`, 1);
    throw error;
  }
}

function refuse(name: string, sentence: string, exitCode: number): number {
  process.stderr.write(`runyard ${name}: ${sentence}\n`);
  return exitCode;
}

function printUsage(name: string): number {
  const asked = name === '--help' || name === 'help';
  (asked ? process.stdout : process.stderr).write(
    name === '' || asked ? usage : `"${name}" is no command.\n\n${usage}`,
  );
  return asked ? 0 : 2;
}

async function printVersion(): Promise<number> {
  const { packageVersion } = await import('../app.ts');
  process.stdout.write(`${packageVersion()}\n`);
  return 0;
}
