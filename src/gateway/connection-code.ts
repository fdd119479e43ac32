/** The system's own word for why a connection failed, such as `ECONNREFUSED`. */
export function connectionCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'no connection';
}
