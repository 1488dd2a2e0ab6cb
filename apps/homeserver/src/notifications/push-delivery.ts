import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import type { Pusher } from '../push/pushers/pusher.entity.js';
import { isBadgeOff, PushGateway, type PushOutcome } from './push-gateway.js';
import type { Push } from './pushes.store.js';

/** Hands pushes to what a pusher's kind names. */
@Injectable()
export class PushDelivery {
  constructor(private readonly gateway: PushGateway) {}

  /** Where a pusher's pushes go. */
  hostOf(pusher: Pusher): string {
    const { url } = parseStoredJson(pusher.data) as { url?: unknown };
    return typeof url === 'string' && URL.canParse(url) ? new URL(url).host : '';
  }

  /** Whether it shows a number without an event. */
  takesCounts(pusher: Pusher): boolean {
    return pusher.kind === 'http' && !isBadgeOff(parseStoredJson(pusher.data) as Record<string, unknown>);
  }

  /** @param push null for the count alone */
  send(pusher: Pusher, push: Push | null, unread: number): Promise<PushOutcome> {
    return this.gateway.notify(pusher, push, unread);
  }
}
