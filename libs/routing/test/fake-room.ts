export interface RoomMessage {
  event_id: string;
  type: string;
  sender: string;
  origin_server_ts: number;
  content: { msgtype?: string; body: string };
  txn?: string;
}

/** The one room that all fake homes replicate: a line of events, of which each home holds a beginning. */
export class FakeRoom {
  readonly roomId = '!room:example';
  readonly events: RoomMessage[] = [];

  /** As a portable room does it: a second event with the same `txn` is the first one. */
  add(sender: string, content: RoomMessage['content'], txn?: string): RoomMessage {
    const known = this.events.find((event) => txn !== undefined && event.txn === txn);
    if (known) return known;
    const event = {
      event_id: `$${this.events.length + 1}`, type: 'm.room.message', sender, origin_server_ts: this.events.length + 1, content, txn,
    };
    this.events.push(event);
    return event;
  }

  /** How many events somebody has who has these and all that came before them. */
  seenBy(frontier: readonly string[]): number {
    return Math.max(0, ...frontier.map((id) => this.events.findIndex((event) => event.event_id === id) + 1));
  }
}
