import type { FaultWorld } from './fault-world.js';

type Row = Record<string, unknown>;

/** What each server's database says that may explain a failure; the room is `$room`. Nothing is printed of what is empty. */
const questions: Readonly<Record<string, string>> = {
  'ends of the room': `SELECT e.event_id, e.type, e.sender FROM rooms r JOIN events e ON e.event_nid = ANY(r.extremities) WHERE r.room_id = $room`,
  'missing before': `SELECT event_id, child_depth FROM backward_extremities JOIN rooms r USING (room_nid) WHERE r.room_id = $room`,
  'homes by the record': `SELECT user_id, epoch, seq, (SELECT string_agg(h->>'server_name', ' ') FROM json_array_elements(record::json->'homes') h) AS homes FROM account_records`,
  'moving in': 'SELECT user_id, sources, is_listed FROM account_arrivals WHERE NOT is_listed',
  'rooms on their way': 'SELECT user_id, room_id, via, attempts, error FROM account_arrival_rooms WHERE NOT is_ready',
  'to be told of records': 'SELECT user_id, destination, attempts FROM record_tellings',
  'rooms to be told of records': 'SELECT user_id, due_at, is_urgent, paid_until, attempts FROM record_room_tellings WHERE due_at IS NOT NULL',
  'out of reach': `SELECT destination, failures, to_timestamp(retry_at / 1000) AS until FROM destinations WHERE failures > 0`,
  'behind': 'SELECT destination, acked_pos, (SELECT settled_pos FROM federation_outbox) AS settled FROM federation_cursors',
  'EDUs to be sent': 'SELECT destination, count(*)::int FROM outbound_edus GROUP BY 1',
  'ends of the logs': 'SELECT user_id, json_object_agg(log || \'/\' || line, n) AS n FROM account_logs GROUP BY 1',
  'homes as peers': `SELECT user_id, home, is_behind, unequal, refused FROM account_op_peers WHERE is_behind OR unequal <> '[]' OR refused <> '[]'`,
  'messages that wait': 'SELECT user_id, device_id, json FROM to_device_inbox ORDER BY pos',
};

const events = `SELECT e.event_id AS id, e.type, e.sender, e.state_key AS key, e.status, e.pos, e.depth, e.json::json->>'home' AS home,
  e.json::json->'content'->>'body' AS body, e.json::json->>'prev_events' AS prev
  FROM events e JOIN rooms r USING (room_nid) WHERE r.room_id = $room ORDER BY e.depth`;
const state = `SELECT s.type || ' ' || s.state_key AS key, e.event_id AS id FROM current_state s JOIN events e USING (event_nid) JOIN rooms r ON r.room_nid = s.room_nid
  WHERE r.room_id = $room`;
const statuses = ['accepted', 'soft-failed', 'rejected', 'outlier'];
const HISTORY = ', history';
const MAX_EVENTS = 60;

/**
 * What the servers know of a room and of the accounts, where they differ or something is not done: for the report of a run that failed.
 *
 * @param labels of the servers
 */
export async function evidence(world: FaultWorld, labels: readonly string[], roomId: string): Promise<string> {
  const ask = (label: string, sql: string): Promise<Row[]> => world.rows(label, sql.replaceAll('$room', `'${roomId.replaceAll("'", "''")}'`));
  const lines: string[] = [];
  for (const [what, sql] of Object.entries(questions)) {
    for (const label of labels) for (const row of await ask(label, sql)) lines.push(`${label} ${what}: ${JSON.stringify(row)}`);
  }
  lines.push(...differing('state', labels, await Promise.all(labels.map((label) => ask(label, state))), ({ id }) => String(id), () => ''));
  const held = await Promise.all(labels.map((label) => ask(label, events)));
  lines.push(...differing('event', labels, held.map((rows) => rows.map((row) => ({ ...row, key: row['id'], stateKey: row['key'] }))), standing, contentOf));
  return lines.join('\n');
}

/** How an event stands at a server. */
function standing({ status, pos }: Row): string {
  return `${statuses[Number(status)]!}${pos === null ? ', not shown' : Number(pos) < 0 ? HISTORY : ''}`;
}

function contentOf({ type, sender, stateKey, home, body, depth, prev }: Row): string {
  return JSON.stringify([type, sender, stateKey, home, body, depth, prev]);
}

/** A line for each key of which the servers do not say the same. */
function differing(what: string, labels: readonly string[], all: readonly Row[][], said: (row: Row) => string, detailOf: (row: Row) => string): string[] {
  const byKey = all.map((rows) => new Map(rows.map((row) => [String(row['key']), row])));
  const keys = new Set(byKey.flatMap((rows) => [...rows.keys()]));
  const lines = [...keys].flatMap((key) => {
    const answers = byKey.map((rows) => (rows.has(key) ? said(rows.get(key)!) : 'absent'));
    if (answers.every((answer) => answer.replace(HISTORY, '') === answers[0]!.replace(HISTORY, ''))) return [];
    const row = byKey.find((rows) => rows.has(key))!.get(key)!;
    return [`${what} ${key}: ${labels.map((label, i) => `${label} ${answers[i]!}`).join('; ')} ${detailOf(row)}`];
  });
  return lines.length > MAX_EVENTS ? [...lines.slice(0, MAX_EVENTS), `and ${lines.length - MAX_EVENTS} more`] : lines;
}
