/** What only the operator can mend, by PostgreSQL's SQLSTATE or the system's code. Whose code is none of these is no fault of his. */
const sentences: Readonly<Record<string, string>> = {
  '25006': 'The database takes no writes (a standby, or set to read-only): DATABASE_URL has to name the one that does.',
  '28000': 'The database refuses the user of DATABASE_URL.',
  '28P01': 'The database refuses the user or the password of DATABASE_URL.',
  '3D000': 'The database of DATABASE_URL does not exist: create it first.',
  '42501': "The database's user lacks a right.",
  '53100': 'The disk of the database is full: make room on it.',
  '53200': 'The database has run out of memory.',
  '53300': 'The database has no connection left: raise its max_connections, or end what else uses it.',
  EDQUOT: 'The disk quota is used up: make room.',
  ENOSPC: 'The disk is full: make room.',
  EROFS: 'The disk cannot be written.',
};

/**
 * A sentence for an error that is not the program's but the operator's; null for all others.
 *
 * @param withReason adds the error's own words, which are for the operator alone
 */
export function operatorSentence(error: unknown, withReason = false): string | null {
  const { code, message, cause } = (error ?? {}) as { code?: unknown; message?: unknown; cause?: unknown };
  const sentence = typeof code === 'string' ? sentences[code] : undefined;
  if (sentence !== undefined) return withReason ? `${sentence} (${String(message)})` : sentence;
  return cause === undefined ? null : operatorSentence(cause, withReason);
}
