import { Injectable } from '@nestjs/common';
import type { Requester } from '../accounts/requester.js';
import { MatrixError } from '../errors/matrix-error.js';
import { ServerKeys } from '../federation/keys/server-keys.js';
import { DatabaseEpoch, type Stamp, type Standing, UNSIGNED_RUN } from '../storage/database-epoch.js';
import { boundedCache } from '../storage/bounded-cache.js';
import { positionsBy } from '../storage/positions-text.js';
import { type AnswerNumber, type AwaitedEvents, readOldToken, readTokenText, type RoomsBehind, type SyncCursor, type SyncPositions, tokenText, type TokenText } from './sync-token.js';
import { TokenSeal } from './token-seal.js';

/** A `since`: where it stands, or the name of a stored resume point and whether that can have been lost with a database. */
export type SyncStart = SyncCursor | { readonly resumeId: string; readonly isLost: boolean };

/** A place between two events of a room's timeline: right above the position, which may be negative. */
export interface HistoryPlace {
  readonly pos: number;
  /**
   * How often the place was handed out while events below it were still being fetched. Clients take an `end` that equals
   * their `from` for the end of the history, so that the text has to differ.
   */
  readonly attempt: number;
  /** Of a token of `/sync` of this database: where it stands in all streams. */
  readonly positions?: SyncPositions;
}

/** A token that was made for a session. */
interface Given extends Stamp {
  readonly text: string;
  readonly start: SyncCursor;
}

type Judged = { readonly token: TokenText; readonly standing: Standing };

/**
 * Makes and reads the tokens of `/sync`, `/messages` and `sync/resume`. Each says when it was made and carries a MAC. One that is
 * of a future that a restored database lacks gets a fresh start; the first of them lets the server know of the restore.
 */
@Injectable()
export class SyncTokens {
  readonly #seal: TokenSeal;
  /** What each session was given last: it comes back with the next request, and needs no proof. */
  readonly #given = new WeakMap<Requester, Given>();
  /** Places that were handed out: about 200 bytes each. */
  readonly #places = boundedCache<string, string>(4_096);

  constructor(
    private readonly epoch: DatabaseEpoch,
    keys: ServerKeys,
  ) {
    // Such a signature is the same each time and given to nobody: what this server signs for others is JSON.
    this.#seal = new TokenSeal(keys.signing.sign('io.partyline tokens'));
  }

  /** A `next_batch`. @param requester whose request is answered with it */
  sync(positions: SyncPositions, awaited?: AwaitedEvents, requester?: Requester, behind?: readonly RoomsBehind[]): string {
    const stamp = this.#stamp();
    const text = this.#write({ kind: 'sync', stamp, positions, ...(awaited && { awaited }), ...(behind && { behind }) });
    if (requester) this.#given.set(requester, { ...stamp, text, start: { positions, awaited, behind } });
    return text;
  }

  /** A `pos` of a sliding sync. */
  answer(positions: SyncPositions, answer: AnswerNumber): string {
    return this.#write({ kind: 'sync', stamp: this.#stamp(), positions, answer });
  }

  /** Which answer a `pos` stands for, or which stored resume point; null for everything else, and for what was lost with a database. */
  async answerOf(pos: string): Promise<AnswerNumber | { readonly resumeId: string } | null> {
    const { token, standing } = (await this.#read(pos).catch((error: unknown) => {
      if (error instanceof MatrixError) return null;
      throw error;
    })) ?? {};
    if (!token || standing?.kind !== 'held') return null;
    if (token.kind === 'resume') return { resumeId: token.resumeId };
    return token.kind === 'sync' ? (token.answer ?? null) : null;
  }

  /** The place in a device's inbox up to which a client has received it, as text. */
  inbox(pos: number): string {
    return this.#write({ kind: 'sync', stamp: this.#stamp(), positions: { ...positionsBy(() => 0), to_device: pos } });
  }

  /** The place that `inbox` wrote, as far as this database has it; 0 for anything else, so that nothing is left out. */
  async inboxOf(text: string): Promise<number> {
    const start = await this.start(text).catch(() => null);
    return start && 'positions' in start ? start.positions.to_device : 0;
  }

  /** Where a `since` starts that is the last token of the session, and of this run; undefined for all others. */
  given(requester: Requester, text: string): SyncCursor | undefined {
    const given = this.#given.get(requester);
    // What was given in a run is held for as long as it lasts: a restore begins another one.
    return given?.text === text && given.run === this.epoch.run && given.epoch === this.epoch.epoch ? given.start : undefined;
  }

  /** The `since` that stands for a stored resume point. */
  resume(resumeId: string): string {
    return this.#write({ kind: 'resume', stamp: this.#stamp(), resumeId });
  }

  /** A `prev_batch`, or an end of a page. */
  place(pos: number, attempt = 0): string {
    const stamp = this.#stamp();
    // Rooms begin at the same places for all who read them.
    const key = `${stamp.run}${stamp.epoch} ${pos} ${attempt}`;
    let token = this.#places.get(key);
    if (token === undefined) this.#places.set(key, (token = this.#write({ kind: 'place', stamp, pos, attempt })));
    return token;
  }

  /** @throws MatrixError 400 M_INVALID_PARAM for anything that no server of this version made */
  async start(text: string): Promise<SyncStart> {
    const { token, standing } = await this.#read(text);
    if (token.kind === 'place') throw invalid();
    const isLost = standing.kind === 'lost';
    if (token.kind === 'resume') return { resumeId: token.resumeId, isLost };
    if (!isLost) return { positions: token.positions, awaited: token.awaited, behind: token.behind };
    const { end } = standing;
    // Messages to devices that the client has and this database, too, are not told twice. All else may have been another way.
    const toDevice = end === null ? 0 : Math.min(end.to_device, token.positions.to_device);
    return { positions: { ...positionsBy(() => 0), to_device: toDevice }, resume: { rooms: new Map(), isFresh: true } };
  }

  /**
   * Reads a token of `/messages`, `/context` or `/sync`. A place in what was lost is where it was lost, or before or after all that
   * is here, so that nothing is left out.
   *
   * @param dir which way is read from there
   * @throws MatrixError 400 M_INVALID_PARAM
   */
  async placeOf(text: string, dir: 'b' | 'f'): Promise<HistoryPlace> {
    const { token, standing } = await this.#read(text);
    if (token.kind === 'resume') throw MatrixError.invalidParam('This token starts a sync, it is no place in a room');
    const place = token.kind === 'place' ? token : { pos: token.positions.events, attempt: 0 };
    if (standing.kind === 'held') return { pos: place.pos, attempt: place.attempt, ...(token.kind === 'sync' && { positions: token.positions }) };
    if (standing.end && dir === 'f') return { pos: Math.min(standing.end.events, place.pos), attempt: 0 };
    return { pos: dir === 'b' ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER, attempt: 0 };
  }

  /** Reads a token of `/sync` for its positions; null for a place in what was lost. @throws MatrixError 400 M_INVALID_PARAM */
  async positions(text: string): Promise<SyncPositions | null> {
    const { token, standing } = await this.#read(text);
    if (token.kind !== 'sync') throw MatrixError.invalidParam('Take the token of a later sync');
    return standing.kind === 'held' ? token.positions : null;
  }

  #stamp(): Stamp {
    return { epoch: this.epoch.epoch, run: this.epoch.run };
  }

  #write(token: TokenText & { readonly stamp: Stamp }): string {
    return this.#seal.seal(tokenText(token));
  }

  async #read(text: string): Promise<Judged> {
    const sealed = this.#seal.open(text);
    const token = sealed ? readTokenText(sealed.text) : readOldToken(text);
    if (!token) throw invalid();
    // Made by another server, or with another signing key, or by a client: it begins anew, and nothing follows from it.
    if (sealed && !sealed.isOwn) return { token, standing: { kind: 'lost', end: null, isProof: false } };
    const stamp = token.stamp ?? { epoch: this.epoch.epoch, run: UNSIGNED_RUN };
    const standing = this.epoch.standing(stamp, positionsIn(token));
    if (standing.kind === 'lost' && standing.isProof && token.stamp) await this.epoch.restored('token', token.stamp);
    return { token, standing };
  }
}

function positionsIn(token: TokenText): Partial<SyncPositions> {
  if (token.kind === 'sync') return token.positions;
  return token.kind === 'place' ? { events: token.pos } : {};
}

function invalid(): MatrixError {
  return MatrixError.invalidParam('The token is not one that this server made');
}
