import { parentPort } from 'node:worker_threads';
import type { ErrorObject, ValidateFunction } from 'ajv';
import ajvModule from 'ajv';
import ajv2020Module from 'ajv/dist/2020.js';
import picomatch from 'picomatch';
import type { Answer, Question } from './judge.ts';

/** The thread that compiles and runs what callers sent. It is ended from outside; nothing here needs to be careful. */

const draft07 = /^https?:\/\/json-schema\.org\/draft-0[67]\/schema#?$/;
const pathsMax = 10_000;

function answer(question: Question): Answer {
  return question.kind === 'fits' ? { fault: faultOf(question) } : { paths: selected(question) };
}

function faultOf({ schema, value }: Extract<Question, { kind: 'fits' }>): string | null {
  const { $schema: dialect, ...plain } = schema;
  const isOld = typeof dialect === 'string' && draft07.test(dialect);
  const Ajv = isOld ? ajvModule.Ajv : ajv2020Module.Ajv2020;
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false });
  const validate: ValidateFunction = ajv.compile(plain);
  return validate(value) ? null : wordsOf(validate.errors?.[0]);
}

function wordsOf(error: ErrorObject | undefined): string {
  return `${error?.instancePath || 'the whole of it'} ${error?.message ?? 'does not fit'}`.slice(0, 300);
}

function selected({ globs, paths }: Extract<Question, { kind: 'select' }>): string[] {
  const matches = picomatch([...globs], { dot: true });
  return paths.filter((path) => matches(path)).slice(0, pathsMax);
}

parentPort?.on('message', (question: Question) => {
  try {
    parentPort?.postMessage(answer(question));
  } catch (error) {
    parentPort?.postMessage({ broken: error instanceof Error ? error.message.slice(0, 300) : 'unknown' });
  }
});
parentPort?.postMessage('ready');
