import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { AccountDirectory } from '../../accounts/account-directory.js';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { RateLimits } from '../../http/rate-limits.js';
import { RoomSender } from '../pipeline/room-sender.js';
import type { DelayedEvent } from './delayed-event.entity.js';

/** Sends a delayed event as its sender would send it now. */
@Injectable()
export class DelayedSender {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly sender: RoomSender,
    private readonly limits: RateLimits,
  ) {}

  /**
   * Twice sends one event: its once-only key follows from the delayed event.
   *
   * @returns the event's id
   * @throws MatrixError what sending it throws; 403 for an account that may not send any more, 429
   */
  async send({ delayId, userId, deviceId, roomId, type, stateKey, content: json }: DelayedEvent): Promise<string> {
    const account = await this.accounts.get(userId);
    if (!account || account.deactivatedTs !== null) throw MatrixError.forbidden('The account is gone');
    if (account.isLocked || account.isSuspended) throw MatrixError.forbidden('The account is locked or suspended');
    this.limits.take('message', userId);
    // The secret itself would be seen in rooms.
    const onceOnlyKey = hash('sha256', `io.partyline.delayed ${delayId}`, 'buffer').subarray(0, 16).toString('base64url');
    const { isGuest, isAdmin } = account;
    const requester: Requester = { userId, deviceId, isGuest, isAdmin, isSuspended: false, isLocked: false, tokenHash: '' };
    const content = parseStoredJson(json) as JsonObject;
    const sent = stateKey === null
      ? await this.sender.send(requester, { roomId, type, content, onceOnlyKey })
      : await this.sender.setState(requester, { roomId, type, stateKey, content, onceOnlyKey });
    return sent.eventId;
  }
}
