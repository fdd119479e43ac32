import { execFile } from 'node:child_process';
import { chownSync, ftruncateSync, mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { chmod, chown, type FileHandle, mkdir, open, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { RunyardError } from '../../contracts/errors.ts';
import { wipe } from '../shared/wipe.ts';
import { givenPath } from './arguments.ts';
import { type Cgroup, makeCgroup } from './cgroup.ts';
import type { CgroupTree } from './cgroup-tree.ts';
import { type Identity, identities } from './identity.ts';
import { type InfoFile, makeInfoFile } from './info-file.ts';
import { initText } from './init.ts';
import { type Lease, takeLease } from './lease.ts';
import { sweep } from './sweep.ts';

/** A place for one wall at a time: an identity that is leased and a folder. Used again and again. */
export interface Slot {
  readonly identity: Identity;
  /** Of all its walls, one after the other: making a group costs the kernel more than a small program does. */
  readonly cgroup: Cgroup;
  readonly folder: string;
  readonly workspace: string;
  /** FIFOs, because a program can open `/dev/stdout` anew only where it is no socket. */
  readonly stdout: string;
  readonly stderr: string;
  /** Holds init, what init reads at `go`, what the last step reads, and places to mount binaries on. */
  readonly given: string;
  readonly info: InfoFile;
  /** Makes the places that such paths of a wall are mounted on: nothing can be made in a folder that is shown read-only. */
  makePlaces(paths: readonly string[]): void;
  /** These and what follows is done at once and not through the thread pool: small things that a wall waits for. */
  writeProgram(text: string): void;
  writeStdin(bytes: Uint8Array): void;
  /** Takes the program's text, which holds the caller's environment, off the disk. */
  forgetProgram(): void;
  /** Takes what was left of both off the disk. */
  forget(): void;
  /** Deletes the workspace and what the program was given. Nothing inside may be alive. */
  clear(): Promise<void>;
  /** An empty workspace with an empty `output/`, owned by the identity. */
  furnish(): void;
  /** Removes the folder and gives the identity back. */
  release(): Promise<void>;
}

/** Leases the first identity that is free, ends what it left behind and makes its folder anew. */
export async function takeSlot(workDir: string, cgroups: CgroupTree): Promise<Slot> {
  const { identity, lease } = await firstFree();
  const held: { cgroup?: Cgroup } = {};
  try {
    await sweep(identity);
    held.cgroup = await makeCgroup(cgroups, identity.name);
    return await makeSlot(workDir, identity, { lease, cgroup: held.cgroup });
  } catch (error) {
    // What cannot be removed now is made anew by the identity's next holder.
    await held.cgroup?.remove().catch(() => undefined);
    await lease.release();
    throw error;
  }
}

interface Held {
  readonly lease: Lease;
  readonly cgroup: Cgroup;
}

async function firstFree(): Promise<{ identity: Identity; lease: Lease }> {
  for (const identity of await identities()) {
    const lease = await takeLease(identity.name);
    if (lease !== undefined) return { identity, lease };
  }
  throw new RunyardError(
    'sandbox_unavailable',
    'Every user id that Runyard may use for a program is in use on this machine.',
    {
      hint: 'Wait until runs have ended, or stop other runners.',
    },
  );
}

async function makeSlot(workDir: string, identity: Identity, { lease, cgroup }: Held): Promise<Slot> {
  const folder = `${workDir}/${identity.name}`;
  const workspace = `${folder}/workspace`;
  const paths = {
    stdout: `${folder}/stdout`,
    stderr: `${folder}/stderr`,
    given: `${folder}/given`,
  };
  const { given } = paths;
  await wipe(folder);
  const { info, stdinFile, programFile } = await layOut(folder, paths, identity).catch(async (error: unknown) => {
    await wipe(folder);
    throw error;
  });
  const places = new Set<string>();
  const written = new Set<FileHandle>();
  const forgetFile = (file: FileHandle) => {
    if (written.delete(file)) ftruncateSync(file.fd);
  };
  const forget = () => {
    forgetFile(stdinFile);
    forgetFile(programFile);
  };
  const writeTo = (file: FileHandle, bytes: Uint8Array) => {
    if (bytes.length === 0) return;
    written.add(file);
    writeWhole(file, bytes);
  };
  return {
    identity,
    cgroup,
    folder,
    workspace,
    ...paths,
    info,
    makePlaces: (paths) => {
      for (const path of paths.filter((each) => !places.has(each))) {
        writeFileSync(given + path.slice(givenPath.length), '', { flag: 'wx', mode: 0o444 });
        places.add(path);
      }
    },
    writeProgram: (text) => writeTo(programFile, Buffer.from(text)),
    writeStdin: (bytes) => writeTo(stdinFile, bytes),
    forgetProgram: () => forgetFile(programFile),
    forget,
    clear: async () => {
      forget();
      await wipe(workspace);
    },
    furnish: () => {
      mkdirSync(workspace, { mode: 0o700 });
      mkdirSync(`${workspace}/output`, { mode: 0o755 });
      giveTo(identity, workspace, `${workspace}/output`);
    },
    release: async () => {
      info.close();
      await Promise.all([stdinFile.close(), programFile.close()]);
      await wipe(folder);
      await cgroup.remove();
      await lease.release();
    },
  };
}

/** What a wall of the slot is shown of it, beside the workspace. */
export function givenTo({ given }: Slot): readonly { readonly from: string; readonly to: string }[] {
  return [{ from: given, to: givenPath }];
}

/** What stays open as long as the slot is. */
interface OpenFiles {
  readonly info: InfoFile;
  readonly stdinFile: FileHandle;
  readonly programFile: FileHandle;
}

/** Makes the folder and all in it that stays. Where that fails, nothing of it is left open. */
async function layOut(
  folder: string,
  { stdout, stderr, given }: Pick<Slot, 'stdout' | 'stderr' | 'given'>,
  identity: Identity,
): Promise<OpenFiles> {
  const opened: { close(): void | Promise<void> }[] = [];
  const keep = <T extends { close(): void | Promise<void> }>(file: T): T => {
    opened.push(file);
    return file;
  };
  try {
    await mkdir(folder, { mode: 0o700 });
    await promisify(execFile)('mkfifo', ['-m', '600', stdout, stderr], { env: { PATH: '/usr/bin:/bin' } });
    giveTo(identity, stdout, stderr);
    const info = keep(makeInfoFile(`${folder}/info`));
    await makeGiven(given);
    const stdinFile = keep(await open(`${given}/stdin`, 'wx+', 0o444));
    const programFile = keep(await open(`${given}/program`, 'wx+', 0o444));
    await Promise.all([stdinFile.chmod(0o444), programFile.chmod(0o444)]);
    // The wall's own group gets through to what it must open; nobody else gets in.
    if (identity.switchTo !== undefined) {
      await chown(folder, 0, identity.switchTo.gid);
      await chmod(folder, 0o710);
    }
    return { info, stdinFile, programFile };
  } catch (error) {
    for (const file of opened) await file.close();
    throw error;
  }
}

/** Ours, and read by the wall's user whatever the umask. */
async function makeGiven(folder: string): Promise<void> {
  for (const path of [folder, `${folder}/bin`]) {
    await mkdir(path);
    await chmod(path, 0o755);
  }
  await writeFile(`${folder}/init`, initText(), { flag: 'wx' });
  await chmod(`${folder}/init`, 0o444);
}

function giveTo({ switchTo }: Identity, ...paths: string[]): void {
  if (switchTo === undefined) return;
  for (const path of paths) chownSync(path, switchTo.uid, switchTo.gid);
}

/** From the beginning of a file that is empty, wherever its last writer stopped. */
function writeWhole(file: FileHandle, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file.fd, bytes, at, bytes.length - at, at);
}
