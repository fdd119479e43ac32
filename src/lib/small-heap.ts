import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the memory of this process near what is alive in it, for somewhat more work of the collector. What a Google
 * client leaves of one answer is some hundred kilobytes, and V8 lets garbage grow to several times what is alive: a server
 * with a thousand waiting calls held 390 MB and more every minute, and holds 160. Both flags are read at each collection.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=25');
}
