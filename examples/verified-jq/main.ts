import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { verifiedFilter } from './verified-filter.ts';

const [path, ...words] = process.argv.slice(2);
const wish = words.join(' ');

if (path === undefined || wish === '') {
  console.error('Usage: node examples/verified-jq/main.ts FILE.json WHAT YOU WANT FROM IT');
  process.exitCode = 2;
} else {
  const data = readFileSync(path, 'utf8');
  const client = new Client({ name: 'verified-jq', version: '1.0.0' });
  // A server of its own, as an MCP client would start one; what it is configured with stands in the environment.
  const server = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [server, 'serve'],
      env: Object.fromEntries(
        Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
      ),
      stderr: 'ignore',
    }),
  );
  try {
    const verified = await verifiedFilter(client, data, wish);
    console.log(JSON.stringify(verified, null, 2));
    if ('error' in verified) process.exitCode = 1;
  } finally {
    await client.close();
  }
}
