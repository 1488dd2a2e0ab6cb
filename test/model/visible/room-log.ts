import { Database, statement } from '../../../apps/homeserver/src/storage/database.js';
import type { TestServer } from '../../network/test-server.js';
import type { Json } from '../../network/test-client.js';

/** An event of a room's timeline, as it is stored. */
export interface LoggedEvent {
  readonly eventId: string;
  readonly pos: number;
  readonly type: string;
  readonly stateKey: string | null;
  readonly sender: string;
  readonly content: Json;
}

const timeline = statement(
  'model.timeline',
  `SELECT e.event_id, e.pos, e.type, e.state_key, e.sender, e.json FROM events e JOIN rooms r USING (room_nid)
   WHERE r.room_id = $1 AND e.pos IS NOT NULL ORDER BY e.pos`,
);
const ends = statement(
  'model.ends',
  'SELECT e.event_id FROM rooms r JOIN events e ON e.event_nid = ANY(r.extremities) WHERE r.room_id = $1 ORDER BY e.event_id',
);

/** The timeline of a room at a server, oldest first: what was shown there in which order, without a word on to whom. */
export async function readLog(server: TestServer, roomId: string): Promise<LoggedEvent[]> {
  const rows = await server.get(Database).query<{ event_id: string; pos: number; type: string; state_key: string | null; sender: string; json: string }>(timeline, [roomId]);
  return rows.map((row) => ({
    eventId: row.event_id, pos: row.pos, type: row.type, stateKey: row.state_key, sender: row.sender, content: (JSON.parse(row.json) as Json).content,
  }));
}

/** Ids of the events on which the next one builds. */
export async function readEnds(server: TestServer, roomId: string): Promise<string> {
  const rows = await server.get(Database).query<{ event_id: string }>(ends, [roomId]);
  return rows.map((row) => row.event_id).join(' ');
}
