import type { RoomEvent } from '../../libs/federation/src/index.js';
import { Bus } from '../../apps/homeserver/src/bus/bus.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { StreamPositions } from '../../apps/homeserver/src/storage/stream-positions.js';
import type { TestServer } from '../network/test-server.js';

const insertRoom = statement('test.room', 'INSERT INTO rooms (room_nid, room_id, version) VALUES ($1, $2, $3)');
const insertEvent = statement(
  'test.event',
  `INSERT INTO events (event_nid, event_id, room_nid, pos, depth, type, state_key, sender, origin_server_ts, status, is_own, json)
   VALUES ($1, $2, $3, $4, 1, $5, $6, $7, 0, 0, $8, $9)`,
);
const touchRoom = statement('test.touch', 'UPDATE rooms SET last_pos = $2 WHERE room_nid = $1');
const upsertMember = statement(
  'test.member',
  `INSERT INTO current_state (room_nid, type, state_key, event_nid, membership) VALUES ($1, 'm.room.member', $2, $3, $4)
   ON CONFLICT (room_nid, type, state_key) DO UPDATE SET event_nid = excluded.event_nid, membership = excluded.membership`,
);
const insertDelta = statement(
  'test.delta',
  `INSERT INTO state_deltas (room_nid, pos, type, state_key, event_nid, previous_nid)
   VALUES ($1, $2, 'm.room.member', $3, $4, (SELECT event_nid FROM current_state WHERE room_nid = $1 AND type = 'm.room.member' AND state_key = $3))`,
);

/** Writes of the rooms as the outgoing queues see them: rows, positions and messages on the bus. */
export class CommittedRoom {
  #events = 0;

  private constructor(
    private readonly server: TestServer,
    readonly nid: number,
    readonly roomId: string,
  ) {}

  static async create(server: TestServer, version = '12'): Promise<CommittedRoom> {
    const nid = server.get(StreamPositions).nextId('room_nid');
    await server.get(Database).query(insertRoom, [nid, `!room${nid}`, version]);
    return new CommittedRoom(server, nid, `!room${nid}`);
  }

  /** A membership, made by this server. With `destinations` it is published. */
  async member(userId: string, membership: string, options: { homes?: string[]; destinations?: string[] } = {}): Promise<string> {
    const content = {
      membership,
      ...(options.homes && { home_record: { homes: options.homes.map((server_name) => ({ server_name })) } }),
    };
    return this.#commit('m.room.member', userId, content, options.destinations, membership);
  }

  /** A message of this server. Without `destinations` it is committed and not published, as if the process died in between. */
  message(destinations?: string[]): Promise<string> {
    return this.#commit('m.room.message', null, {}, destinations);
  }

  async messages(count: number, destinations?: string[]): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) ids.push(await this.message(destinations));
    return ids;
  }

  async #commit(
    type: string, stateKey: string | null, content: object, destinations: string[] | undefined, membership?: string,
  ): Promise<string> {
    const positions = this.server.get(StreamPositions);
    const db = this.server.get(Database);
    const [nid, pos] = [positions.nextId('event_nid'), positions.next('events')];
    const eventId = `$${this.nid}-${++this.#events}`;
    const json = JSON.stringify({ content, event_id: eventId });
    await db.transaction(async (tx) => {
      await tx.query(insertEvent, [nid, eventId, this.nid, pos, type, stateKey, '@own:server', true, json]);
      await tx.query(touchRoom, [this.nid, pos]);
      if (stateKey === null) return;
      await tx.query(insertDelta, [this.nid, pos, stateKey, nid]);
      await tx.query(upsertMember, [this.nid, stateKey, nid, membership]);
    });
    positions.commit('events', pos);
    if (destinations) {
      const event = { eventId, roomId: this.roomId, json } as RoomEvent;
      this.server.get(Bus).publish({
        kind: 'room', roomId: this.roomId, roomNid: this.nid, pos, users: [], membershipChanges: [], hasHistory: false, redacted: [], related: [], resent: [],
        events: [{ event, pos, isOwn: true, destinations }],
      });
    }
    return eventId;
  }
}
