import { MatrixError } from '../../errors/matrix-error.js';
import { parseSyncToken } from '../sync-token.js';

/** A place between two events of a room's timeline: right above the position, which may be negative. */
export interface HistoryToken {
  readonly pos: number;
  /**
   * How often the place was handed out while events below it were still being fetched. Clients take an `end` that equals
   * their `from` for the end of the history, so that the text has to differ.
   */
  readonly attempt: number;
}

const OWN = /^t(-?\d{1,16})(?:\.(\d{1,4}))?$/;

export function formatHistoryToken(pos: number, attempt = 0): string {
  return attempt === 0 ? `t${pos}` : `t${pos}.${attempt % 10_000}`;
}

/**
 * Reads a token of `/messages`, `/context` or `/sync`.
 *
 * @throws MatrixError 400 M_INVALID_PARAM
 */
export function parseHistoryToken(text: string): HistoryToken {
  const own = OWN.exec(text);
  if (own) {
    const pos = Number(own[1]);
    if (Number.isSafeInteger(pos)) return { pos, attempt: Number(own[2] ?? 0) };
  }
  const token = parseSyncToken(text);
  if (!('positions' in token)) throw MatrixError.invalidParam('This token starts a sync, it is no place in a room');
  return { pos: token.positions.events, attempt: 0 };
}
