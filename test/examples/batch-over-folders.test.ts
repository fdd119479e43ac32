import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacking } from '../e2e/claude-runs.ts';
import { type ModelServer, startModelServer, toolResults, useBash, useTool } from '../fakes/model-server.ts';
import { environment, makeHome, program, removeHome } from '../protocol/server.ts';
import { example, runExample } from './run-example.ts';

const title = lacking === undefined ? 'ten folders' : `(skipped: needs ${lacking})`;

/** Counts with a program, as it was told. */
const count =
  'awk -F, \'NR > 1 { sum += $3 * $4 } END { printf "%.2f", sum }\' input/shop/orders.csv | tee output/report.md; ls input';

describe.skipIf(lacking !== undefined)(title, { timeout: 200_000 }, () => {
  const home = makeHome();
  const dir = mkdtempSync(join(tmpdir(), 'runyard-folders-'));
  const shops = readdirSync(example('batch-over-folders/shops')).sort();
  let model: ModelServer;

  beforeAll(async () => {
    cpSync(example('batch-over-folders'), dir, { recursive: true });
    model = await startModelServer(
      ({ body, turn }) =>
        turn === 0
          ? useBash(count)
          : useTool('StructuredOutput', { revenue: Number.parseFloat(toolResults(body).join()), best_item: 'tea' }),
      { key: 'sk-test' },
    );
  });
  afterAll(async () => {
    await model.close();
    removeHome(home);
    rmSync(dir, { recursive: true, force: true });
  });

  async function run() {
    const before = model.requests.length;
    const end = await runExample(
      [...program.args, 'run', join(dir, 'tasks.yaml'), '--out', join(dir, 'reports')],
      environment(home, { HOME: home, ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: model.url }),
    );
    return { ...end, asked: model.requests.length - before };
  }

  const resultOf = (shop: string) => JSON.parse(readFileSync(join(dir, 'reports', shop, 'result.json'), 'utf8'));
  const revenueOf = (shop: string): number => resultOf(shop).structured_output.revenue;

  /** What the orders that lie there now come to. */
  function expectedOf(shop: string): number {
    const [, ...orders] = readFileSync(join(dir, 'shops', shop, 'orders.csv'), 'utf8')
      .trim()
      .split('\n');
    const cents = orders
      .map((order) => order.split(','))
      .map(([, , pieces, price]) => Number(pieces) * Number(price) * 100);
    return Math.round(cents.reduce((sum, each) => sum + each, 0)) / 100;
  }

  test('are ten tasks, each with its own folder, its own answer and its own report', async () => {
    expect(shops).toHaveLength(10);
    const { exitCode, stdout, stderr } = await run();
    expect({ exitCode, stderr }, stdout).toEqual({
      exitCode: 0,
      stderr: expect.stringContaining('10 succeeded, 0 failed'),
    });
    expect(readdirSync(join(dir, 'reports')).sort()).toEqual(shops);
    expect(shops.map(revenueOf)).toEqual(shops.map(expectedOf));
    expect(readFileSync(join(dir, 'reports/jena/output/report.md'), 'utf8')).toBe(expectedOf('jena').toFixed(2));
  });

  test('run again, nobody is asked anything; with one folder changed, that one alone', async () => {
    expect(await run()).toMatchObject({ exitCode: 0, asked: 0 });
    appendFileSync(join(dir, 'shops/cork/orders.csv'), '2000,honey,2,500.00\n');
    const before = shops.map((shop) => resultOf(shop).task_id);
    expect((await run()).exitCode).toBe(0);
    expect(shops.filter((shop, index) => resultOf(shop).task_id !== before[index])).toEqual(['cork']);
    expect(revenueOf('cork')).toBe(expectedOf('cork'));
  });
});
