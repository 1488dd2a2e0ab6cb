import { Injectable } from '@nestjs/common';
import { parseJson, parseStoredJson } from '#json';
import { HttpsTransport } from '../federation/outgoing/https-transport.js';
import { targetOf } from '../federation/outgoing/web-target.js';
import { PushAddresses } from '../push/pushers/push-address.js';
import type { Pusher } from '../push/pushers/pusher.entity.js';
import type { Push } from './pushes.store.js';

const TIMEOUT_MS = 15_000;
const MAX_ANSWER = 256 * 1024;

/** What became of a push. */
export type PushOutcome = 'sent' | 'rejected' | 'failed';

/** A push gateway's API (push-gateway/push_notifier.yaml). */
@Injectable()
export class PushGateway {
  constructor(
    private readonly addresses: PushAddresses,
    private readonly transport: HttpsTransport,
  ) {}

  /** Tells of an event, or of counts alone. */
  async notify(pusher: Pusher, push: Push | null, unread: number): Promise<PushOutcome> {
    const { url: address, ...data } = parseStoredJson(pusher.data) as Record<string, unknown>;
    const url = this.addresses.gateway(address);
    const notification = push ? parseStoredJson(push.notification) as Record<string, unknown> : { prio: 'low' };
    const isShort = data['format'] === 'event_id_only';
    const { event_id: eventId, room_id: roomId, prio } = notification;
    const device = {
      app_id: pusher.appId, pushkey: pusher.pushkey, pushkey_ts: Math.floor(pusher.setTs / 1_000), data,
      ...(push && !isShort ? { tweaks: parseStoredJson(push.tweaks) } : {}),
    };
    const body = JSON.stringify({
      notification: {
        ...(push && isShort ? { event_id: eventId, room_id: roomId, prio } : notification),
        // Gateways of phones keep the number where they are told none, so zero is told, too.
        counts: isBadgeOff(data) ? {} : { unread },
        devices: [device],
      },
    });
    const { status, body: answer } = await this.transport.request(targetOf(url), {
      method: 'POST', path: url.pathname + url.search, headers: { 'content-type': 'application/json', 'user-agent': 'Partyline' },
      body, timeoutMs: TIMEOUT_MS, maxBytes: MAX_ANSWER,
    });
    if (status !== 200) return 'failed';
    return isRejected(answer, pusher.pushkey) ? 'rejected' : 'sent';
  }
}

/** MSC4076: the app counts by itself. */
export function isBadgeOff(data: Readonly<Record<string, unknown>>): boolean {
  return data['org.matrix.msc4076.disable_badge_count'] === true;
}

/** What is no such answer rejects nothing. */
function isRejected(answer: Buffer, pushkey: string): boolean {
  try {
    const { rejected } = parseJson(answer.toString()) as { rejected?: unknown };
    return Array.isArray(rejected) && rejected.includes(pushkey);
  } catch {
    return false;
  }
}
