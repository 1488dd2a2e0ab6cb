import { streamNames, type StreamName } from '../bus/bus.js';
import { MatrixError } from '../errors/matrix-error.js';

/** How far a client has read each stream. */
export type SyncPositions = Readonly<Record<StreamName, number>>;

/** How far a client has read one room at another home (protocol §5). */
export interface RoomResume {
  /** Everything after this position is new to the client, … */
  readonly fromPos: number;
  /** … except these events. */
  readonly exclude: ReadonlySet<string>;
}

/**
 * Where a `/sync` starts. With `resume`, joined rooms start where it says, rooms that it does not name are new to the
 * client, and `positions.events` counts for invitations and rooms that were left.
 */
export interface SyncCursor {
  readonly positions: SyncPositions;
  readonly awaited?: AwaitedEvents | undefined;
  readonly resume?: { readonly rooms: ReadonlyMap<string, RoomResume> };
}

/**
 * Events that the client got at another home and that had not come to this one when it arrived: to be left out when they come.
 * They travel in the token, so that they hold for as long as the client goes on from here, over restarts too.
 */
export interface AwaitedEvents {
  /** Event ids of the form `$` and 43 characters, at most MAX_AWAITED. */
  readonly ids: ReadonlySet<string>;
  /** Milliseconds since the epoch, in whole minutes; nobody waits for ever. */
  readonly until: number;
}

/** A parsed `since`: where it stands, or the name of a stored resume point. */
export type SyncToken = Pick<SyncCursor, 'positions' | 'awaited'> | { readonly resumeId: string };

/** Each makes the token 44 characters longer. */
export const MAX_AWAITED = 32;
const MINUTE_MS = 60_000;
const EVENT_ID = /^\$[A-Za-z0-9_-]{43}$/;

const PLAIN = new RegExp(`^s1((?:_\\d{1,16}){6})(?:~([0-9a-z]{1,8})((?:\\.[A-Za-z0-9_-]{43}){1,${MAX_AWAITED}}))?$`);
const RESUME = /^r1_([A-Za-z0-9_-]{1,64})$/;

/** The opaque `next_batch` of these positions; `s1` is the version of the format. */
export function formatSyncToken(positions: SyncPositions, awaited?: AwaitedEvents): string {
  const token = `s1${streamNames.map((name) => `_${positions[name]}`).join('')}`;
  if (!awaited || awaited.ids.size === 0) return token;
  return `${token}~${Math.floor(awaited.until / MINUTE_MS).toString(36)}${[...awaited.ids].map((id) => `.${id.slice(1)}`).join('')}`;
}

/** What a client that comes now waits for; undefined for nothing. What is beyond MAX_AWAITED, and ids of old room versions, are left out. */
export function awaitEvents(ids: Iterable<string>, until: number): AwaitedEvents | undefined {
  const named = [...ids].filter((id) => EVENT_ID.test(id)).slice(0, MAX_AWAITED);
  return named.length === 0 ? undefined : { ids: new Set(named), until: Math.floor(until / MINUTE_MS) * MINUTE_MS };
}

/** @throws MatrixError 400 M_INVALID_PARAM for anything that no server of this version made */
export function parseSyncToken(token: string): SyncToken {
  const plain = PLAIN.exec(token);
  if (plain) {
    const numbers = plain[1]!.slice(1).split('_').map(Number);
    if (numbers.every(Number.isSafeInteger)) {
      const positions = Object.fromEntries(streamNames.map((name, i) => [name, numbers[i]!])) as SyncPositions;
      if (plain[2] === undefined) return { positions };
      const ids = plain[3]!.slice(1).split('.').map((id) => `$${id}`);
      return { positions, awaited: { ids: new Set(ids), until: Number.parseInt(plain[2], 36) * MINUTE_MS } };
    }
  }
  const resume = RESUME.exec(token);
  if (resume) return { resumeId: resume[1]! };
  throw MatrixError.invalidParam('The token is not one that this server made');
}

/** The `since` that stands for a stored resume point. */
export function formatResumeToken(resumeId: string): string {
  return `r1_${resumeId}`;
}
