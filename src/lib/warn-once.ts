/** Tells on stderr of the first look that fails, such as where no file can be opened any more; the others are like it. */
export function warnOnce(what: string): (error: unknown) => void {
  const state = { isTold: false };
  return (error) => {
    if (!state.isTold) process.emitWarning(`A look ${what} failed: ${String(error)}`);
    state.isTold = true;
  };
}
