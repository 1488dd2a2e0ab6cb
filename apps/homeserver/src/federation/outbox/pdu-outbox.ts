import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Bus } from '../../bus/bus.js';
import { Outbox } from './outbox.js';

/** Sends the events that this server makes to the other servers of their rooms. */
@Injectable()
export class PduOutbox implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly outbox: Outbox,
  ) {}

  onModuleInit(): void {
    this.bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      this.outbox.committed(message.pos);
      for (const { event, pos, isOwn, destinations } of message.events) {
        if (!isOwn || destinations.length === 0) continue;
        const pdu = { pos, eventId: event.eventId, json: event.json };
        for (const destination of destinations) this.outbox.addPdu(destination, pdu);
      }
    });
  }

  /**
   * Waits until `count` other servers have taken an own event, or for `timeoutMs`.
   *
   * @returns the servers that have, this one not among them; may be more or fewer than `count`
   */
  waitForReplicas(eventId: string, count: number, timeoutMs: number): Promise<string[]> {
    return this.outbox.acknowledgements.wait(eventId, count, timeoutMs);
  }
}
