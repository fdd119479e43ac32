import { once } from './once.ts';

/**
 * CRC-32C (Castagnoli), the checksum of Google's services; that of zlib is another one. An unsigned 32-bit number.
 * `before` is the checksum of what comes before these bytes.
 */
export function crc32c(bytes: Uint8Array, before = 0): number {
  const table = remainders();
  let crc = before ^ 0xffffffff;
  for (let at = 0; at < bytes.length; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** As objects of Cloud Storage carry it: the four bytes in network order, in base64. */
export function crc32cBase64(bytes: Uint8Array): string {
  return base64OfCrc32c(crc32c(bytes));
}

export function base64OfCrc32c(checksum: number): string {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(checksum);
  return four.toString('base64');
}

const polynomial = 0x82f63b78;

/** The remainder of every byte. */
const remainders = once(() => Uint32Array.from({ length: 256 }, (_, byte) => remainderOf(byte)));

function remainderOf(byte: number): number {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  return crc;
}
