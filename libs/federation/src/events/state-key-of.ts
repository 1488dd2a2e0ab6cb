/**
 * The key of a state map for a type and a state key. Unambiguous because `readPdu` refuses a NUL in either (which
 * PostgreSQL could not store).
 */
export function stateKeyOf(type: string, stateKey: string): string {
  return `${type}\u0000${stateKey}`;
}
