/** Which versions of Node have zstd in `node:zlib`, in words. */
export const nodesWithZstd = '22.15, 23.8 or newer';

/** Whether this Node has it: some that are in use are older. */
export async function hasZstd(): Promise<boolean> {
  const { zstdCompress }: { readonly zstdCompress?: unknown } = await import('node:zlib');
  return zstdCompress !== undefined;
}
