import { parseStoredJson } from '#json';
import type { LogPlace } from '../home-record/index.js';

/** Operations of the kind `closed`: what a home in force holds of the log of a retired one. Key: the log; value: `ClosedLog`. */
export const CLOSED_KIND = 'closed';

/** What a home says in its own log that it holds of the log of a retired one: value of an operation of the kind `closed`. */
export interface ClosedLog {
  readonly log: string;
  /** Public key of the log. */
  readonly key: string;
  /** What is held; empty for nothing. */
  readonly places: readonly LogPlace[];
}

/** Whether the text of such an operation's value is one. */
export function isClosedLog(value: string): boolean {
  const { places } = (parseStoredJson(value) ?? {}) as Partial<ClosedLog>;
  return Array.isArray(places) && places.every((place: unknown) => Array.isArray(place) && Number.isSafeInteger(place[0]) && typeof place[1] === 'string');
}
