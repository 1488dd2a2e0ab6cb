import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Bus } from '../../bus/bus.js';
import { Destinations } from '../outgoing/destinations.js';
import { Outbox } from './outbox.js';
import type { ReplicaAnswers } from './replica-acknowledgements.js';
import type { TransactionGate } from './transaction-gate.js';

/** How often a sender that waits for replicas looks whether there is still hope. */
const LOOK_MS = 100;

/** Sends the events that this server makes to the other servers of their rooms. */
@Injectable()
export class PduOutbox implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly outbox: Outbox,
    private readonly reachability: Destinations,
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
      for (const { event, pos, destinations } of message.resent) {
        for (const destination of destinations) this.outbox.addEarlierPdu(destination, { pos, eventId: event.eventId, json: event.json });
      }
    });
  }

  /** Whether any other server has said something of an own event, as far as is known since this server started. */
  remembers(eventId: string): boolean {
    return this.outbox.acknowledgements.has(eventId);
  }

  /** What other servers have said of an own event so far. */
  answers(eventId: string): ReplicaAnswers {
    return this.outbox.acknowledgements.answers(eventId);
  }

  /** Has every transaction pass a gate. */
  guard(gate: TransactionGate): void {
    this.outbox.gate = gate;
  }

  /**
   * Waits until `count` other servers show an own event, or for `timeoutMs`; no longer once all `destinations` that do not have
   * refused it or are known to be down, because a sender would wait in vain for each of its events.
   *
   * @returns the servers that do, this one not among them; may be more or fewer than `count`
   */
  async waitForReplicas(eventId: string, count: number, timeoutMs: number, destinations?: readonly string[]): Promise<string[]> {
    const isHopeless = (servers: readonly string[]): boolean => {
      const { refused } = this.answers(eventId);
      return destinations?.every((name) => servers.includes(name) || name in refused || this.reachability.failures(name) > 0) ?? false;
    };
    for (let left = timeoutMs, look = 0; ; left -= look, look = Math.min(left, LOOK_MS)) {
      const servers = await this.outbox.acknowledgements.wait(eventId, count, look);
      if (servers.length >= count || left <= look || isHopeless(servers)) return servers;
    }
  }
}
