import { PduFormatError, readPdu, type RoomEvent, type RoomVersionRules } from '#federation';
import { exceedsSize } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';

/** Events that are read before others have a turn, and those that may be malformed. */
const READ_AT_ONCE = 50;
const MAX_MALFORMED = 1_000;
/** An event with what nothing covers (`unsigned`). */
const MAX_PDU_CHARACTERS = 2 * 65_536;

/** The well-formed ones among received events of the room. */
export async function readAll(values: readonly unknown[], rules: RoomVersionRules, roomId: string): Promise<RoomEvent[]> {
  const events: RoomEvent[] = [];
  let malformed = 0;
  for (const [i, value] of values.entries()) {
    if (i % READ_AT_ONCE === READ_AT_ONCE - 1) await new Promise(setImmediate);
    try {
      if (exceedsSize(value, MAX_PDU_CHARACTERS)) throw new PduFormatError('the event is far too large');
      const event = readPdu(value, rules);
      if (event.roomId === roomId) events.push(event);
    } catch (error) {
      if (!(error instanceof PduFormatError)) throw error;
      if (++malformed > MAX_MALFORMED) throw MatrixError.unknown(502, 'The other server gave what are no events');
    }
  }
  return events;
}
