import { parseStoredJson } from '#json';
import { isLogName } from './log-name.js';
import type { AccountOperation, LogPlaces } from './operation.js';

const MAX_KIND = 64;
const MAX_KEY = 2_048;
const MAX_VALUE = 512 * 1024;
/** Logs that an operation may have known (those of five homes, five retired ones, and 20 that are cut), and branches of each. */
const MAX_LOGS = 400;
const MAX_PLACES = 64;
/** Places of all logs together, each of which whoever takes the operation has to look up. */
const MAX_ALL_PLACES = 1_000;
const HASH = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/;
const SIGNATURE = /^[A-Za-z0-9+/]{85}[AQgw]$/;

export const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
export const isHash = (value: unknown): value is string => typeof value === 'string' && HASH.test(value);

/** Reads an operation of an account that somebody hands over; undefined when it is malformed. Signature and chain are not looked at. */
export function readOperation(userId: string, given: unknown): AccountOperation | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const { log, n, prev, after, home, ms, kind, key, value, signature } = given as Record<string, unknown>;
  if (!isLogName(log) || !isNumber(n) || (n === 1 ? prev !== null : !isHash(prev))) return undefined;
  const places = readPlaces(after);
  if (!places || typeof home !== 'string' || home.length > 255 || !Number.isSafeInteger(ms) || (ms as number) < 0) return undefined;
  if (!isText(kind, MAX_KIND) || !isText(key, MAX_KEY) || !isText(value, MAX_VALUE)) return undefined;
  if (typeof signature !== 'string' || !SIGNATURE.test(signature) || !isJson(value)) return undefined;
  return { user_id: userId, log, n, prev: prev as string | null, after: places, home, ms: ms as number, kind, key, value, signature };
}

/** Reads places by log; undefined when one is malformed, or there are too many. */
export function readPlaces(value: unknown, maxPlaces = MAX_ALL_PLACES): LogPlaces | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  if (entries.length > MAX_LOGS || !entries.every(([log, places]) => isLogName(log) && arePlaces(places))) return undefined;
  const all = entries.reduce((sum, [, places]) => sum + (places as unknown[]).length, 0);
  return all <= maxPlaces ? (value as LogPlaces) : undefined;
}

function arePlaces(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_PLACES) return false;
  return value.every((place: unknown) => Array.isArray(place) && place.length === 2 && isNumber(place[0]) && isHash(place[1]));
}

// PostgreSQL cannot store NUL, and lone surrogates have no UTF-8.
function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value.length <= max && !value.includes('\0') && value.isWellFormed();
}

function isJson(text: string): boolean {
  try {
    parseStoredJson(text);
    return true;
  } catch {
    return false;
  }
}
