import { parseJson } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import { validate } from '../../http/validate.js';
import { EventMatcher } from '../filter/event-matcher.js';
import { roomEventFilterSchema } from '../filter/sync-filter.js';

/**
 * The `filter` parameter of `/messages` and `/context`: a RoomEventFilter as JSON text.
 *
 * @throws MatrixError 400 M_INVALID_PARAM
 */
export function parseRoomEventFilter(text: string | undefined): EventMatcher {
  if (text === undefined || text === '') return new EventMatcher();
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw MatrixError.invalidParam('The filter is not valid JSON');
  }
  return new EventMatcher(validate(roomEventFilterSchema, value, 'M_INVALID_PARAM'));
}
