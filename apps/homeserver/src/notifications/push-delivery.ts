import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import type { Pusher } from '../push/pushers/pusher.entity.js';
import { isBadgeOff, PushGateway, type PushOutcome } from './push-gateway.js';
import type { Push } from './pushes.store.js';
import { WebPushService } from './web-push-service.js';

/** Hands pushes to what a pusher's kind names. */
@Injectable()
export class PushDelivery {
  constructor(
    private readonly gateway: PushGateway,
    private readonly browsers: WebPushService,
  ) {}

  /** Where a pusher's pushes go. */
  hostOf(pusher: Pusher): string {
    const { url, endpoint } = parseStoredJson(pusher.data) as { url?: unknown; endpoint?: unknown };
    const address = url ?? endpoint;
    return typeof address === 'string' && URL.canParse(address) ? new URL(address).host : '';
  }

  /** Whether it shows a number without an event: browsers show each message that they get. */
  takesCounts(pusher: Pusher): boolean {
    return pusher.kind === 'http' && !isBadgeOff(parseStoredJson(pusher.data) as Record<string, unknown>);
  }

  send(pusher: Pusher, push: Push, unread: number): Promise<PushOutcome> {
    return pusher.kind === 'webpush' ? this.browsers.notify(pusher, push, unread) : this.gateway.notify(pusher, push, unread);
  }

  /** Of a gateway: how much is unread, without an event. */
  sendCount(pusher: Pusher, unread: number): Promise<PushOutcome> {
    return this.gateway.notify(pusher, null, unread);
  }

  /** Asks a browser to confirm its pusher. */
  confirm(pusher: Pusher, token: string): Promise<PushOutcome> {
    return this.browsers.confirm(pusher, token);
  }
}
