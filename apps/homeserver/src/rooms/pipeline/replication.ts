import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { PduOutbox } from '../../federation/outbox/pdu-outbox.js';
import type { SentEvent } from './event-sender.js';

/** How long a sender waits for other servers (protocol §5, "Acknowledged on several servers"). */
const WAIT_MS = 5_000;

/** Answers sends, if asked to only when several servers hold the event and show it. */
@Injectable()
export class Replication {
  constructor(
    private readonly config: Config,
    private readonly outbox: PduOutbox,
  ) {}

  /**
   * @param replicas servers, this one included, that are to have the event; waits 5 s at most, and not for servers that are down
   * @returns the body of the answer; with `replicas`, `io.partyline.replicas` names the servers that show it, `io.partyline.twins`
   *   which of these show another event in its place, `io.partyline.refused` by server why it is not shown there
   */
  async answer(sent: SentEvent, replicas: number | undefined): Promise<object> {
    if (replicas === undefined) return { event_id: sent.eventId };
    // Who else has taken an event of another home is told to that home, not to this one.
    if (sent.madeBy !== undefined) return { event_id: sent.eventId, 'io.partyline.replicas': [this.config.serverName, sent.madeBy] };
    const others = Math.min(replicas - 1, sent.destinations.length);
    const servers = others > 0 ? await this.outbox.waitForReplicas(sent.eventId, others, WAIT_MS, sent.destinations) : [];
    const { twins, refused } = this.outbox.answers(sent.eventId);
    return {
      event_id: sent.eventId,
      'io.partyline.replicas': [this.config.serverName, ...servers],
      ...(Object.keys(twins).length > 0 && { 'io.partyline.twins': twins }),
      ...(Object.keys(refused).length > 0 && { 'io.partyline.refused': refused }),
    };
  }
}
