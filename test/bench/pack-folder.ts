import { join } from 'node:path';
import { entriesOfFolder } from '../../src/inputs/folder.ts';
import { keepEntries } from '../../src/inputs/keep.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { millisecondsOf } from './statistics.ts';

/** `FOLDER HOME`: packs the folder into a store below the home, and tells `{ ms, peakMegabytes }`. */
const [folder = '', home = ''] = process.argv.slice(2);
const store = createFilesystemStore({ dir: join(home, 'store') });
const keeping = { store, spoolDir: join(home, 'spool') };
const ms = await millisecondsOf(() => keepEntries(keeping, entriesOfFolder(folder), 'local:0'));
await store.close();
process.send?.({ ms, peakMegabytes: process.resourceUsage().maxRSS / 1024 });
process.disconnect?.();
