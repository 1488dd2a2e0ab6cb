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
  readonly resume?: { readonly rooms: ReadonlyMap<string, RoomResume> };
}

/** A parsed `since`: positions, or the name of a stored resume point. */
export type SyncToken = { readonly positions: SyncPositions } | { readonly resumeId: string };

const PLAIN = /^s1((?:_\d{1,16}){6})$/;
const RESUME = /^r1_([A-Za-z0-9_-]{1,64})$/;

/** The opaque `next_batch` of these positions; `s1` is the version of the format. */
export function formatSyncToken(positions: SyncPositions): string {
  return `s1${streamNames.map((name) => `_${positions[name]}`).join('')}`;
}

/** @throws MatrixError 400 M_INVALID_PARAM for anything that no server of this version made */
export function parseSyncToken(token: string): SyncToken {
  const plain = PLAIN.exec(token);
  if (plain) {
    const numbers = plain[1]!.slice(1).split('_').map(Number);
    if (numbers.every(Number.isSafeInteger)) {
      return { positions: Object.fromEntries(streamNames.map((name, i) => [name, numbers[i]!])) as SyncPositions };
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
