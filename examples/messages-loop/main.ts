import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import { z } from 'zod';
import { runTurn } from './loop.ts';

const toolSpecs = z.array(
  z.object({ name: z.string(), description: z.string(), input_schema: z.looseObject({ type: z.literal('object') }) }),
);

const { YARD_URL = 'http://127.0.0.1:8080', YARD_TOKEN = '', MODEL = 'claude-sonnet-5-5' } = process.env;
const prompt = process.argv.slice(2).join(' ');

if (prompt === '') {
  console.error('Usage: node examples/messages-loop/main.ts PROMPT');
  process.exitCode = 2;
} else {
  const specs = new URL('../../tool-specs/messages-api.json', import.meta.url);
  const answer = await runTurn({
    anthropic: new Anthropic(),
    runyard: { url: YARD_URL, token: YARD_TOKEN },
    model: MODEL,
    tools: toolSpecs.parse(JSON.parse(readFileSync(specs, 'utf8'))),
    prompt,
    onToolUse: ({ name, input }) => console.error(`→ ${name} ${JSON.stringify(input)}`),
  });
  console.log(answer);
}
