import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bare, openStarter, type Starter } from './bare.ts';
import { claudeRows } from './claude.ts';
import { cloudRows } from './cloud.ts';
import { inputRows } from './inputs.ts';
import { makeOldTasks } from './old-tasks.ts';
import { meets, type Row, renderTable } from './report.ts';
import { firstAnswer, type Home, makeHome, residentMegabytes, runnerOf, type Served, serve } from './served.ts';
import { alternately, inMs, median, millisecondsOf } from './statistics.ts';

const oldTasks = 10_000;
const oneByOne = { rounds: 40, pauseMs: 40 };
const manyAtOnce = { rounds: 5, pauseMs: 300 };
const load = { calls: 64, atOnce: 8 };

/** `node test/bench/main.ts`: every ratio of one run; exit code 1 where a floor is missed. */
async function main(): Promise<number> {
  const machine = `${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)} before, Node ${process.version}`;
  const starter = openStarter();
  const homes = [makeHome(), makeHome()] as const;
  try {
    const rows = [...(await measure(starter, homes)), ...(await measureOthers())];
    process.stdout.write(`\n${machine}\n\n${renderTable(rows)}\n`);
    return rows.every(meets) ? 0 : 1;
  } finally {
    starter.close();
    for (const home of homes) home.remove();
  }
}

async function measure(starter: Starter, [emptyHome, fullHome]: readonly [Home, Home]): Promise<Row[]> {
  say('first answer of a server');
  const start = await startRow(starter, emptyHome);
  say(`a store with ${oldTasks} old tasks`);
  await makeOldTasks(fullHome, oldTasks);
  const [empty, full] = [await serve(emptyHome), await serve(fullHome)];
  try {
    say('memory');
    await delay(3_000);
    const memory = memoryRows(empty);
    say('one call at a time');
    const single = await singleRows(starter, empty, full);
    say(`${load.atOnce} calls at once`);
    const many = await throughputRows(starter, empty, full);
    return [...single, ...many, start, ...memory];
  } finally {
    await Promise.all([empty.close(), full.close()]);
  }
}

/** What needs no server of ours that is warm. */
async function measureOthers(): Promise<Row[]> {
  say('Claude tasks');
  const claude = await claudeRows();
  say('inputs');
  const inputs = await inputRows();
  say('Cloud Run');
  return [...claude, ...inputs, ...(await cloudRows())];
}

async function singleRows(starter: Starter, empty: Served, full: Served): Promise<Row[]> {
  const podmanHere = await workingPodman(starter);
  const { ours, old, bwrap, podman } = await alternately(
    {
      ours: () => millisecondsOf(empty.call),
      bwrap: () => starter.run('bwrap'),
      old: () => millisecondsOf(full.call),
      podman: async () => ('which' in podmanHere ? starter.run(podmanHere.which) : Number.NaN),
    },
    oneByOne,
  );
  const call = { what: 'execute_code, one at a time', ours: inMs(ours) };
  return [
    { ...call, against: `bwrap python3: ${inMs(bwrap)}`, value: median(ours) / median(bwrap), floor: atMost(1.3) },
    'which' in podmanHere
      ? { ...call, against: `podman run: ${inMs(podman)}`, value: median(podman) / median(ours), floor: atLeast(5) }
      : { ...call, against: `podman run (${podmanHere.problem})`, value: undefined, floor: atLeast(5) },
    {
      what: `the same with ${oldTasks} old tasks`,
      ours: inMs(old),
      against: `an empty store: ${inMs(ours)}`,
      value: median(old) / median(ours),
      floor: atMost(1.15),
    },
  ];
}

async function workingPodman(starter: Starter): Promise<{ which: Bare } | { problem: string }> {
  const problems: string[] = [];
  for (const which of ['podman', 'podmanWithRunc'] as const) {
    try {
      await starter.run(which);
      return { which };
    } catch (error) {
      problems.push(String(error).slice(0, 80));
    }
  }
  return { problem: problems[0]! };
}

async function throughputRows(starter: Starter, empty: Served, full: Served): Promise<Row[]> {
  const { calls, atOnce } = load;
  const { ours, old, bwrap } = await alternately(
    {
      ours: () => empty.callMany(calls, atOnce),
      bwrap: () => starter.run('bwrap', calls, atOnce),
      old: () => full.callMany(calls, atOnce),
    },
    manyAtOnce,
  );
  const perSecond = (ms: readonly number[]) => `${((calls * 1_000) / median(ms)).toFixed(1)} a second`;
  return [
    {
      what: `execute_code, ${atOnce} at once`,
      ours: perSecond(ours),
      against: `bwrap python3: ${perSecond(bwrap)}`,
      value: median(bwrap) / median(ours),
      floor: atLeast(0.6),
    },
    {
      what: `the same with ${oldTasks} old tasks`,
      ours: perSecond(old),
      against: `an empty store: ${perSecond(ours)}`,
      value: median(old) / median(ours),
      floor: atMost(1.15),
    },
  ];
}

async function startRow(starter: Starter, home: Home): Promise<Row> {
  const { ours, node } = await alternately(
    { ours: () => firstAnswer(home), node: () => starter.run('node') },
    { rounds: 15, pauseMs: 100 },
  );
  return {
    what: 'first answer of the server',
    ours: inMs(ours),
    against: `node -e 0: ${inMs(node)}`,
    value: median(ours) / median(node),
    floor: atMost(8),
  };
}

/** Before the first call: what waits for work. */
function memoryRows({ pid }: Served): Row[] {
  const row = (what: string, of: number, floor: number): Row => ({
    what,
    ours: `${residentMegabytes(of).toFixed(0)} MB resident`,
    against: '',
    value: residentMegabytes(of),
    floor: { kind: 'below', value: floor, unit: 'MB' },
  });
  return [row('idle server', pid, 100), row('idle runner', runnerOf(pid), 70)];
}

function atMost(value: number) {
  return { kind: 'at most', value, unit: '×' } as const;
}

function atLeast(value: number) {
  return { kind: 'at least', value, unit: '×' } as const;
}

function say(what: string): void {
  process.stderr.write(`bench: ${what} …\n`);
}

process.exitCode = await main();
