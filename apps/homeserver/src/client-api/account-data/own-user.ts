import { isRoomId } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';

/** The user id of a path under `/user/{userId}`. @throws MatrixError 403 M_FORBIDDEN unless it is the requester's */
export function ownUser(requester: Requester, userId: string): string {
  if (userId !== requester.userId) throw MatrixError.forbidden('This belongs to another user');
  return userId;
}

/** @throws MatrixError 400 M_INVALID_PARAM */
export function validRoomId(roomId: string): string {
  if (!isRoomId(roomId)) throw MatrixError.invalidParam('Not a valid room id');
  return roomId;
}
