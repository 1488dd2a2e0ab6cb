import { parseJson } from '#json';
import { isJsonObject, jsonMember } from '../events/json-member.js';
import { isServerName } from '../identifiers/server-name.js';
import type { JsonValue } from '../events/pdu.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A shorter life would let a server have us fetch its file for each transaction. */
const MIN_LIFETIME = 5 * MINUTE;
const DEFAULT_LIFETIME = 24 * HOUR;
const MAX_LIFETIME = 48 * HOUR;
const FIRST_ERROR_LIFETIME = MINUTE;
const MAX_ERROR_LIFETIME = HOUR;

/** Bytes of a well-known file that are worth reading. */
export const MAX_WELL_KNOWN_BYTES = 65_536;

export interface WellKnownResponse {
  readonly status: number;
  /** Header values by lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

/**
 * The delegated server name and for how many milliseconds it holds, or undefined for every response that does not count
 * (not 200, not JSON, no valid `m.server`): then `wellKnownErrorLifetime` says when to ask again.
 *
 * @param now Milliseconds since the epoch, for `Expires`.
 */
export function readWellKnown(response: WellKnownResponse, now: number): { server: string; lifetime: number } | undefined {
  if (response.status !== 200 || response.body.length > MAX_WELL_KNOWN_BYTES) return undefined;
  let value: unknown;
  try {
    value = parseJson(response.body); // whatever its Content-Type
  } catch {
    return undefined;
  }
  const server = isJsonObject(value) ? jsonMember(value as JsonValue, 'm.server') : undefined;
  if (typeof server !== 'string' || !isServerName(server)) return undefined;
  const lifetime = headerLifetime(response.headers, now) ?? DEFAULT_LIFETIME;
  return { server, lifetime: Math.min(MAX_LIFETIME, Math.max(MIN_LIFETIME, lifetime)) };
}

/** How many milliseconds to remember a failure: a minute, doubled with each further one, at most an hour. */
export function wellKnownErrorLifetime(failuresInARow: number): number {
  return Math.min(MAX_ERROR_LIFETIME, FIRST_ERROR_LIFETIME * 2 ** Math.max(0, failuresInARow - 1));
}

/** Cache-Control beats Expires (RFC 9111 §5.3). */
function headerLifetime(headers: WellKnownResponse['headers'], now: number): number | undefined {
  const directives = (headers['cache-control'] ?? '').toLowerCase().split(',').map((directive) => directive.trim());
  if (directives.includes('no-store') || directives.includes('no-cache')) return 0;
  for (const directive of directives) {
    const seconds = /^max-age="?(\d{1,10})"?$/.exec(directive)?.[1];
    if (seconds !== undefined) return Number(seconds) * 1_000;
  }
  if (headers.expires === undefined) return undefined;
  const expires = Date.parse(headers.expires);
  return Number.isNaN(expires) ? 0 : expires - now; // "0" and other nonsense mean already expired
}
