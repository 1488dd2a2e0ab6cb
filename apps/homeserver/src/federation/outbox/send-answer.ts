import type { PduResult, PduResults } from '../pdu-receiver.js';

/** A reason of another server as far as it is kept. */
const MAX_REASON = 200;

/** The answer to `PUT /send` (protocol §8), unchecked. Servers that do not know these members say nothing of what they show. */
export interface SendAnswer extends Record<string, unknown> {
  readonly pdus?: unknown;
  /** Event ids. */
  readonly 'io.partyline.taken'?: unknown;
  /** Event ids that are shown instead, by event id. */
  readonly 'io.partyline.twins'?: unknown;
  /** Reasons by event id. */
  readonly 'io.partyline.soft_failed'?: unknown;
  readonly 'io.partyline.rejected'?: unknown;
  /** Event ids. */
  readonly 'io.partyline.later'?: unknown;
}

/** The results, with what the answer says beside them. */
export function resultsOf(answer: SendAnswer): PduResults {
  const results = new Map<string, PduResult>();
  for (const [eventId, result] of entries(answer.pdus)) {
    const error = (result as { error?: unknown } | null)?.error;
    results.set(eventId, typeof error === 'string' ? { error: error.slice(0, MAX_REASON) } : {});
  }
  const add = (eventId: string, more: PduResult): unknown => results.set(eventId, { ...results.get(eventId), ...more });
  for (const eventId of ids(answer['io.partyline.taken'])) add(eventId, { taken: true });
  for (const [eventId, twin] of texts(answer['io.partyline.twins'])) add(eventId, { twin });
  for (const [eventId, softFailed] of texts(answer['io.partyline.soft_failed'])) add(eventId, { softFailed });
  for (const [eventId, rejected] of texts(answer['io.partyline.rejected'])) add(eventId, { rejected });
  for (const eventId of ids(answer['io.partyline.later'])) add(eventId, { error: results.get(eventId)?.error ?? 'later', later: true });
  return Object.fromEntries(results);
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function texts(value: unknown): [string, string][] {
  return entries(value).flatMap(([key, text]): [string, string][] => (typeof text === 'string' ? [[key, text.slice(0, MAX_REASON)]] : []));
}

function ids(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((id) => typeof id === 'string') : [];
}
