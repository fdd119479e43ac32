import { wallPaths } from '../../contracts/sandbox.ts';

/**
 * What stands between git and the door, which speaks CONNECT only. `node bridge.mjs HOST PORT` joins its own stdin and
 * stdout to the host, for ssh; `node bridge.mjs socks FILE` is a SOCKS server for plain http, and makes the file once it
 * listens. It runs inside the wall, with nothing but the door's key.
 */
export const bridgeText = `import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
const key = Buffer.from('git:' + process.env.RUNYARD_DOOR_KEY).toString('base64');
function tunnel(target, use, refused) {
  const door = connect(${wallPaths.doorPort}, '127.0.0.1');
  let head = Buffer.alloc(0);
  door.on('error', () => refused('no answer'));
  door.on('connect', () => door.write('CONNECT ' + target + ' HTTP/1.1\\r\\nhost: ' + target + '\\r\\nproxy-authorization: Basic ' + key + '\\r\\n\\r\\n'));
  const hear = (chunk) => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\\r\\n\\r\\n');
    if (end === -1) return;
    door.off('data', hear);
    const status = head.toString('latin1', 9, 12);
    if (status !== '200') return refused(status);
    door.pause();
    if (head.length > end + 4) door.unshift(head.subarray(end + 4));
    use(door);
  };
  door.on('data', hear);
}
const [host, port] = process.argv.slice(2);
if (host !== 'socks') {
  tunnel(host + ':' + port, (door) => {
    process.stdin.pipe(door);
    door.pipe(process.stdout);
    door.on('close', () => process.exit());
  }, (status) => {
    console.error('runyard: tunnel refused with ' + status);
    process.exit(1);
  });
} else {
  createServer((client) => {
    client.on('error', () => client.destroy());
    client.once('data', () => {
      client.write(Buffer.from([5, 0]));
      client.once('data', (asked) => {
        const isName = asked[3] === 3;
        const end = isName ? 5 + asked[4] : 8;
        const name = isName ? asked.toString('latin1', 5, end) : asked.subarray(4, 8).join('.');
        const answer = (code) => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        client.pause();
        tunnel(name + ':' + asked.readUInt16BE(end), (door) => {
          client.write(answer(0));
          client.pipe(door);
          door.pipe(client);
          door.on('close', () => client.destroy());
          client.on('close', () => door.destroy());
        }, (status) => client.end(answer(status === '403' ? 2 : 4)));
      });
    });
  }).listen(1080, '127.0.0.1', () => writeFileSync(port, ''));
}
`;
