import { describe, expect, test } from 'vitest';
import { contention } from '../bench/load.ts';
import { can, onEngine } from './engine.ts';

onEngine('execute_code', (tools) => {
  const run = (code: string, more: object = {}) => tools().call('execute_code', { language: 'bash', code, ...more });
  const python = (code: string, more: object = {}) => run(code, { language: 'python', ...more });

  test('prior E2c: fields of the end appear together; the wall is named', async () => {
    const answer = await run('echo hello; echo oh >&2; echo 45 > output/sum.txt');
    expect(Object.keys(answer).sort()).toEqual(
      ['artifacts', 'duration_ms', 'exit_code', 'sandbox', 'status', 'stderr', 'stdout', 'success', 'task_id'].sort(),
    );
    expect(answer).toMatchObject({
      ...{ status: 'succeeded', success: true, exit_code: 0, stdout: 'hello\n', stderr: 'oh\n' },
      artifacts: [{ path: 'output/sum.txt', text: '45\n', size_bytes: 3 }],
      sandbox: { technology: can.technology },
    });
  });

  test.each([
    ['python', 'print("hi")'],
    ['javascript', 'console.log("hi")'],
    ['typescript', 'const word: string = "hi"; console.log(word)'],
    ['bash', 'echo hi'],
  ])('row 5: %s is run', async (language, code) => {
    expect(await run(code, { language })).toMatchObject({ success: true, stdout: 'hi\n' });
  });

  test('stdin, args, env and files reach the program', async () => {
    const code =
      'import os,sys;print(sys.stdin.read(), sys.argv[1:], os.environ["A"], open("d/f.txt").read(), open("b","rb").read())';
    const files = [
      { path: './d//f.txt', content: 'text' },
      { path: 'b', content: 'AAH/', encoding: 'base64' },
    ];
    const answer = await python(code, { stdin: 'in', args: ['x', '$y z'], env: { A: 'é' }, files });
    expect(answer).toMatchObject({ stdout: "in ['x', '$y z'] é text b'\\x00\\x01\\xff'\n" });
  });

  test('prior B2a: what a program needs is there: modules, classes, functions that call themselves, files', async () => {
    const code = `
import csv, json, os, threading
class Tree:
    def depth(self, n): return 0 if n == 0 else 1 + self.depth(n - 1)
open("a.csv", "w").write("x,y\\n1,2\\n")
rows = list(csv.DictReader(open("a.csv")))
thread = threading.Thread(target=lambda: print(json.dumps([rows, Tree().depth(500), os.listdir(".").count("a.csv")])))
thread.start(); thread.join()`;
    expect(await python(code)).toMatchObject({ success: true, stdout: '[[{"x": "1", "y": "2"}], 500, 1]\n' });
  });

  describe('what goes wrong', () => {
    test.each(['KILL', 'TERM', 'SEGV'])('prior A3a: a program that SIG%s kills has failed', async (signal) => {
      expect(await run(`echo said; kill -${signal} $$; sleep 5`)).toMatchObject({
        ...{ status: 'failed', success: false, stdout: 'said\n' },
        error: { code: 'command_failed' },
      });
    });

    test('prior B3a: a program that ends itself is told like any other', async () => {
      expect(await python('print("said")\nraise SystemExit("why")')).toMatchObject({
        ...{ status: 'failed', success: false, exit_code: 1, stdout: 'said\n', stderr: 'why\n' },
      });
      expect(await python('import os\nprint("said", flush=True)\nos._exit(0)')).toMatchObject({
        ...{ status: 'succeeded', success: true, exit_code: 0, stdout: 'said\n' },
      });
    });

    test('an exit code is told, with what was printed before', async () => {
      expect(await run('echo said; exit 3')).toMatchObject({
        ...{ status: 'failed', success: false, exit_code: 3, stdout: 'said\n' },
        error: { code: 'command_failed' },
      });
    });

    test("an exception is told with the language's own name for it", async () => {
      const { structuredContent, content } = await tools().answer('execute_code', {
        language: 'python',
        code: '\n1/0',
      });
      expect(structuredContent).toMatchObject({ success: false, error: { type: 'ZeroDivisionError', line: 2 } });
      expect(content.map(({ text }) => text).join('')).toContain('ZeroDivisionError');
    });

    test('prior B3b C3a D6b: the time limit is told by name, with what was printed before', async () => {
      // The wall is made within the limit too.
      const timeout_seconds = Math.ceil(2 * contention());
      expect(await run('echo begun; sleep 50', { timeout_seconds })).toMatchObject({
        ...{ status: 'timed_out', success: false, stdout: 'begun\n' },
        error: { code: 'timed_out' },
      });
    });

    test.skipIf(!can.limitsMemory)(
      `a size is a limit of its own${can.limitsMemory ? '' : ' (skipped: the engine keeps no limit of memory)'}`,
      async () => {
        const code = 'a = bytearray(3 * 1024**3); print(len(a))';
        expect(await python(code)).toMatchObject({ status: 'failed' });
        expect(await python('print("fits")', { size: 'medium' })).toMatchObject({ stdout: 'fits\n' });
      },
    );
  });

  describe('waiting', () => {
    test('prior E5b: an unfinished task answers at once with its id and the way to follow it', async () => {
      const input = { language: 'bash', code: 'sleep 20', wait_seconds: 0 };
      const { structuredContent, content } = await tools().answer('execute_code', input);
      const { task_id, status, hint } = structuredContent ?? {};
      expect(Object.keys(structuredContent ?? {}).sort()).toEqual(['hint', 'status', 'task_id']);
      expect(['queued', 'running']).toContain(status);
      expect(hint).toContain('get_task_logs');
      expect(content[0]?.text).toContain(String(task_id));
      await tools().call('cancel_task', { task_id });
    });

    test('prior A14b E1c: the same idempotency_key is the same task, and another request under it a conflict', async () => {
      const first = await run('echo 1', { idempotency_key: 'k' });
      expect(await run('echo 1', { idempotency_key: 'k' })).toEqual(first);
      const other = { language: 'bash', code: 'echo 2', idempotency_key: 'k' };
      expect(await tools().refusal('execute_code', other)).toMatch(/^conflict: .*idempotency_key/);
    });
  });

  test('small pictures come as pictures, and only what is one', async () => {
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const code = `echo ${png} | base64 -d > output/dot.png; echo no picture > output/fake.png`;
    const { content, structuredContent } = await tools().answer('execute_code', { language: 'bash', code });
    expect(content.filter(({ type }) => type === 'image')).toMatchObject([{ mimeType: 'image/png', data: png }]);
    expect(structuredContent?.artifacts).toHaveLength(2);
    const place = { task_id: structuredContent?.task_id, path: 'output/dot.png' };
    const read = await tools().answer('read_artifact', place);
    expect(read.structuredContent).not.toHaveProperty('text');
    expect(read.content).toMatchObject([{ type: 'text' }, { type: 'image', mimeType: 'image/png', data: png }]);
  });
});
