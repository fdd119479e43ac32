import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { receive } from './receive.ts';

const { HOOK_SECRET } = process.env;
const [dir, port = '9000'] = process.argv.slice(2);

if (dir === undefined || HOOK_SECRET === undefined) {
  console.error('Usage: HOOK_SECRET=whsec_… node examples/webhook-receiver/main.ts DIR [PORT]');
  process.exitCode = 2;
} else {
  mkdirSync(dir, { recursive: true });
  const webhook = new Webhook(HOOK_SECRET);
  const server = createServer(async (request, response) => {
    try {
      const { status, line } = await receive(request, webhook, dir);
      console.log(line);
      response.writeHead(status).end();
    } catch (error) {
      // Not taken, a full disk perhaps: whoever sent it comes again.
      console.error(error);
      response.writeHead(500).end();
    }
  });
  server.listen(Number(port), '127.0.0.1', () => {
    const address = server.address() as AddressInfo;
    console.log(`listens on http://127.0.0.1:${address.port}`);
  });
}
