import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { Random } from '../observability/random.js';
import { contentOf, type PusherContent } from '../push/pushers/pusher-content.js';
import { Pushers } from '../push/pushers/pushers.js';
import { PushDelivery } from './push-delivery.js';

/** A browser has so long to confirm (MSC4174). */
const ACK_MS = 300_000;

/** Pushers of Web Push become active when the browser has shown that it gets their messages (MSC4174). */
@Injectable()
export class PusherConfirmations {
  constructor(
    private readonly pushers: Pushers,
    private readonly delivery: PushDelivery,
    private readonly random: Random,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Sets a pusher of Web Push.
   *
   * @returns whether it has to be confirmed: it is new, or goes elsewhere than before
   */
  async set(userId: string, content: PusherContent, isShared: boolean): Promise<boolean> {
    const known = await this.pushers.get(userId, content);
    if (known?.isActive && known.kind === 'webpush' && addressIn(known.data) === addressIn(content.data)) {
      await this.pushers.set(userId, { ...content, vapidKey: known.vapidKey }, isShared);
      return false;
    }
    const token = this.#uuid();
    await this.pushers.set(userId, { ...content, isActive: false }, isShared, { token, until: this.clock.now() + ACK_MS });
    const set = await this.pushers.get(userId, content);
    if (set) {
      this.delivery.confirm(set, token).catch((error: unknown) => {
        this.log.debug('a browser could not be asked to confirm its pusher', { destination: this.delivery.hostOf(set), error: String(error) });
      });
    }
    return true;
  }

  /** @throws MatrixError 404 M_NOT_FOUND, 410 M_UNKNOWN_TOKEN, 400 M_INVALID_PARAM */
  async confirm(userId: string, appId: string, token: string): Promise<void> {
    const own = (await this.pushers.ofUser(userId)).filter((pusher) => pusher.appId === appId);
    if (own.length === 0) throw MatrixError.notFound('There is no pusher of this app');
    const pusher = own.find((one) => one.ackToken === token);
    if (!pusher) throw MatrixError.invalidParam('No pusher of this app waits for this token');
    if (pusher.ackUntil! < this.clock.now()) throw MatrixError.unknown(410, 'This token has expired');
    await this.pushers.set(userId, { ...contentOf(pusher), isActive: true }, true);
  }

  /** A random UUID (RFC 9562, version 4). */
  #uuid(): string {
    const bytes = this.random.bytes(16);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
}

/** What has to be confirmed anew when it changes. */
function addressIn(data: string): string {
  const { url, endpoint, auth } = parseStoredJson(data) as unknown as Record<string, unknown>;
  return JSON.stringify([url ?? endpoint, auth]);
}
