import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Config } from '../config/config.js';
import { HttpsTransport } from '../federation/outgoing/https-transport.js';
import { targetOf } from '../federation/outgoing/web-target.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { PushAddresses } from '../push/pushers/push-address.js';
import type { Pusher } from '../push/pushers/pusher.entity.js';
import { encryptedPush, MAX_PUSH_TEXT } from '../push/web-push/push-encryption.js';
import { vapidAuthorization, vapidKeyFrom } from '../push/web-push/vapid.js';
import type { PushOutcome } from './push-gateway.js';
import type { Push } from './pushes.store.js';

const TIMEOUT_MS = 15_000;
const MAX_ANSWER = 64 * 1024;
/** A browser that is away for longer is told nothing of it, seconds. */
const TTL_S = 24 * 3_600;
/** The subscription is gone (RFC 8030 §7.3), or was made for another server's key. */
const GONE: readonly number[] = [403, 404, 410];

/** Hands messages to browsers' push services (RFC 8030, MSC4174), which cannot read them. */
@Injectable()
export class WebPushService {
  constructor(
    private readonly config: Config,
    private readonly addresses: PushAddresses,
    private readonly transport: HttpsTransport,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** Tells of an event. */
  notify(pusher: Pusher, push: Push, unread: number): Promise<PushOutcome> {
    const { format, default_payload: payload } = parseStoredJson(pusher.data) as Record<string, unknown>;
    const { prio, ...event } = parseStoredJson(push.notification) as Record<string, unknown>;
    const short = { ...(isObject(payload) ? payload : {}), event_id: push.eventId, room_id: push.roomId, unread };
    // The longest form that finds place.
    const forms = [...(format === 'event_id_only' ? [] : [{ ...short, ...event }, { ...short, ...event, content: undefined }]), short, { event_id: push.eventId, room_id: push.roomId }];
    const text = forms.map((form) => JSON.stringify(form)).find((form) => Buffer.byteLength(form) <= MAX_PUSH_TEXT)!;
    return this.#send(pusher, text, prio === 'high' ? 'high' : 'low');
  }

  /** Asks the browser to confirm the pusher. */
  confirm(pusher: Pusher, token: string): Promise<PushOutcome> {
    return this.#send(pusher, JSON.stringify({ app_id: pusher.appId, ack_token: token }), 'high');
  }

  async #send(pusher: Pusher, text: string, urgency: 'high' | 'low'): Promise<PushOutcome> {
    const { url: address, endpoint, auth } = parseStoredJson(pusher.data) as Record<string, unknown>;
    const url = this.addresses.pushService(address ?? endpoint);
    if (typeof auth !== 'string' || pusher.vapidKey === null) return 'rejected';
    const keys = { publicKey: Buffer.from(pusher.pushkey, 'base64url'), auth: Buffer.from(auth, 'base64url') };
    const body = encryptedPush(text, keys, { privateKey: this.random.bytes(32), salt: this.random.bytes(16) });
    const { status } = await this.transport.request(targetOf(url), {
      method: 'POST', path: url.pathname + url.search, body, timeoutMs: TIMEOUT_MS, maxBytes: MAX_ANSWER,
      headers: {
        authorization: vapidAuthorization(vapidKeyFrom(pusher.vapidKey), { url, contact: this.#contact, now: this.clock.now() }),
        'content-encoding': 'aes128gcm', 'content-type': 'application/octet-stream', ttl: `${TTL_S}`, urgency,
      },
    });
    if (GONE.includes(status)) return 'rejected';
    return status >= 200 && status < 300 ? 'sent' : 'failed';
  }

  /** Whom a push service turns to. */
  get #contact(): string {
    const { publicUrl, serverName } = this.config;
    return publicUrl.startsWith('https:') ? publicUrl : `https://${serverName}`;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
