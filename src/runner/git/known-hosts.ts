/** Written below. */
export const knownHosts = '';
