import { streamNames } from '../bus/bus.js';
import type { Stamp } from '../storage/database-epoch.js';
import { positionsBy, type Positions } from '../storage/positions-text.js';

/** How far a client has read each stream. */
export type SyncPositions = Positions;

/** How far a client has read one room at another home (protocol §5). */
export interface RoomResume {
  /** Everything after this position is new to the client, … */
  readonly fromPos: number;
  /** … except these events. */
  readonly exclude: ReadonlySet<string>;
}

/**
 * Where a `/sync` starts. With `resume`, joined rooms start where it says, rooms that it does not name are new to the
 * client, and `positions.events` counts for invitations and rooms that were left. `isFresh`: the client's token is of before a
 * restored backup; nothing of what it has is known.
 */
export interface SyncCursor {
  readonly positions: SyncPositions;
  readonly awaited?: AwaitedEvents | undefined;
  readonly behind?: readonly RoomsBehind[] | undefined;
  /** In place of `positions.events` and `behind`: how far the client has read each room that it knows, by the room's number (sliding sync). */
  readonly told?: ReadonlyMap<number, Pick<RoomResume, 'fromPos'> & Partial<RoomResume>>;
  readonly resume?: { readonly rooms: ReadonlyMap<string, RoomResume>; readonly isFresh?: boolean };
}

/**
 * Rooms that an answer had no place for: of each whose number is `upTo` or less, the client has read events up to `pos` only, or knows
 * nothing of it (null). In a list, in falling order of `upTo`, the last one that fits a room counts for it.
 */
export interface RoomsBehind {
  readonly upTo: number;
  readonly pos: number | null;
}

/** Entries of such a list; an answer that would need more holds all rooms. */
export const MAX_BEHIND = 8;

/** Up to where a client has read a room's events; null when it knows nothing of it. */
export function readUpTo({ positions, behind }: SyncCursor, roomNid: number): number | null {
  const entry = behind?.findLast((one) => roomNid <= one.upTo);
  return entry ? entry.pos : positions.events;
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

/** Which answer of a client's connection a `pos` of a sliding sync stands for. */
export interface AnswerNumber {
  /** Random name of the connection. */
  readonly connection: string;
  readonly number: number;
}

/** A token as it reads, before it is judged (sync-tokens.ts). Tokens of the first version have no stamp, and no MAC. */
export type TokenText =
  | { readonly kind: 'sync'; readonly stamp: Stamp | null; readonly positions: SyncPositions; readonly awaited?: AwaitedEvents; readonly behind?: readonly RoomsBehind[]; readonly answer?: AnswerNumber }
  | { readonly kind: 'resume'; readonly stamp: Stamp | null; readonly resumeId: string }
  | { readonly kind: 'place'; readonly stamp: Stamp | null; readonly pos: number; readonly attempt: number };

/** Each makes the token 44 characters longer. */
export const MAX_AWAITED = 32;
const MINUTE_MS = 60_000;
const EVENT_ID = /^\$[A-Za-z0-9_-]{43}$/;

/** Streams that the first tokens name. Who has an older one knows nothing of those that came later. */
const FIRST_STREAMS = 6;
const STAMP = '([A-Za-z0-9_-]{22})([A-Za-z0-9_-]{8})';
const AWAITED = `(?:~([0-9a-z]{1,8})((?:\\.[A-Za-z0-9_-]{43}){1,${MAX_AWAITED}}))?`;
const SYNC = new RegExp(`^s2_${STAMP}((?:_[0-9a-z]{1,11}){${FIRST_STREAMS},${streamNames.length}})((?:-[0-9a-z]{1,11}\\.[0-9a-z]{0,11}){0,${MAX_BEHIND}})(?:!([A-Za-z0-9_-]{8})\\.([0-9a-z]{1,10}))?${AWAITED}$`);
const RESUME = new RegExp(`^r2_${STAMP}_([A-Za-z0-9_-]{1,64})$`);
const PLACE = new RegExp(`^t2_${STAMP}_(-?[0-9a-z]{1,11})(?:\\.(\\d{1,4}))?$`);
const OLD_SYNC = new RegExp(`^s1((?:_\\d{1,16}){${FIRST_STREAMS}})${AWAITED}$`);
const OLD_RESUME = /^r1_([A-Za-z0-9_-]{1,64})$/;
const OLD_PLACE = /^t(-?\d{1,16})(?:\.(\d{1,4}))?$/;

/** Text of a token, without its MAC. */
export function tokenText(token: TokenText & { readonly stamp: Stamp }): string {
  const stamp = `${token.stamp.epoch}${token.stamp.run}`;
  if (token.kind === 'resume') return `r2_${stamp}_${token.resumeId}`;
  if (token.kind === 'place') return `t2_${stamp}_${token.pos.toString(36)}${token.attempt === 0 ? '' : `.${token.attempt % 10_000}`}`;
  const behind = token.behind?.map(({ upTo, pos }) => `-${upTo.toString(36)}.${pos?.toString(36) ?? ''}`).join('') ?? '';
  const text = `s2_${stamp}${streamNames.map((name) => `_${token.positions[name].toString(36)}`).join('')}${behind}`;
  const { awaited, answer } = token;
  const numbered = answer ? `${text}!${answer.connection}.${answer.number.toString(36)}` : text;
  if (!awaited || awaited.ids.size === 0) return numbered;
  return `${numbered}~${Math.floor(awaited.until / MINUTE_MS).toString(36)}${[...awaited.ids].map((id) => `.${id.slice(1)}`).join('')}`;
}

/** What a client that comes now waits for; undefined for nothing. What is beyond MAX_AWAITED, and ids of old room versions, are left out. */
export function awaitEvents(ids: Iterable<string>, until: number): AwaitedEvents | undefined {
  const named = [...ids].filter((id) => EVENT_ID.test(id)).slice(0, MAX_AWAITED);
  return named.length === 0 ? undefined : { ids: new Set(named), until: Math.floor(until / MINUTE_MS) * MINUTE_MS };
}

/** Reads a token without its MAC; undefined for anything that no server of this version made. */
export function readTokenText(text: string): TokenText | undefined {
  let found = SYNC.exec(text);
  if (found) return withAnswer(withBehind(syncToken(stampOf(found), found[3]!, 36, found[7], found[8]), found[4]!), found[5], found[6]);
  found = PLACE.exec(text);
  if (found) return place(stampOf(found), Number.parseInt(found[3]!, 36), found[4]);
  found = RESUME.exec(text);
  return found ? { kind: 'resume', stamp: stampOf(found), resumeId: found[3]! } : undefined;
}

/** The same for tokens of the first version. */
export function readOldToken(text: string): TokenText | undefined {
  let found = OLD_SYNC.exec(text);
  if (found) return syncToken(null, found[1]!, 10, found[2], found[3]);
  found = OLD_PLACE.exec(text);
  if (found) return place(null, Number(found[1]), found[2]);
  found = OLD_RESUME.exec(text);
  return found ? { kind: 'resume', stamp: null, resumeId: found[1]! } : undefined;
}

function stampOf(found: RegExpExecArray): Stamp {
  return { epoch: found[1]!, run: found[2]! };
}

function place(stamp: Stamp | null, pos: number, attempt: string | undefined): TokenText | undefined {
  return Number.isSafeInteger(pos) ? { kind: 'place', stamp, pos, attempt: Number(attempt ?? 0) } : undefined;
}

function withAnswer(token: TokenText | undefined, connection: string | undefined, number: string | undefined): TokenText | undefined {
  return token?.kind === 'sync' && connection !== undefined ? { ...token, answer: { connection, number: Number.parseInt(number!, 36) } } : token;
}

function withBehind(token: TokenText | undefined, list: string): TokenText | undefined {
  if (token?.kind !== 'sync' || list === '') return token;
  const number = (digits: string): number => Number.parseInt(digits, 36);
  const behind = list.slice(1).split('-').map((entry): RoomsBehind => {
    const [upTo, pos] = entry.split('.') as [string, string];
    return { upTo: number(upTo), pos: pos === '' ? null : number(pos) };
  });
  const isSafe = behind.every(({ upTo, pos }) => Number.isSafeInteger(upTo) && (pos === null || Number.isSafeInteger(pos)));
  return isSafe ? { ...token, behind } : undefined;
}

function syncToken(
  stamp: Stamp | null, list: string, radix: number, until: string | undefined, ids: string | undefined,
): TokenText | undefined {
  const numbers = list.slice(1).split('_').map((digits) => Number.parseInt(digits, radix));
  if (!numbers.every(Number.isSafeInteger)) return undefined;
  const positions = positionsBy((name) => numbers[streamNames.indexOf(name)] ?? 0);
  if (until === undefined) return { kind: 'sync', stamp, positions };
  const awaited = new Set(ids!.slice(1).split('.').map((id) => `$${id}`));
  return { kind: 'sync', stamp, positions, awaited: { ids: awaited, until: Number.parseInt(until, 36) * MINUTE_MS } };
}
