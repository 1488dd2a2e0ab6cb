import { hostname } from 'node:os';
import type { Client } from 'pg';
import { SettingsError } from '../config/settings-error.js';
import { timed } from './statement.js';

const hasTable = "SELECT to_regclass('database_holder') IS NOT NULL AS has";
const hasEvents = "SELECT to_regclass('events') IS NOT NULL AS has";
const read = 'SELECT server_name, epoch, holder, since_ts FROM database_holder';
const raise = 'UPDATE database_holder SET epoch = epoch + 1, holder = $1, since_ts = $2 RETURNING epoch';
const insert = 'INSERT INTO database_holder (server_name, epoch, holder, since_ts) VALUES ($1, 1, $2, $3) RETURNING epoch';
/** In rooms that are not portable a server's own events are of people of its own domain. */
const ownSender = `SELECT e.sender FROM events e JOIN rooms r USING (room_nid) WHERE e.is_own AND r.version NOT LIKE 'io.partyline%' LIMIT 1`;

/** Looking through all events, once in the life of a database. */
const LONG_MS = 600_000;

export interface Holder {
  readonly server_name: string;
  readonly epoch: string;
  readonly holder: string;
  readonly since_ts: string;
}

/** The row that says whose the database is; undefined before it was made. */
export async function readHolder(client: Client): Promise<Holder | undefined> {
  if (!(await has(client, hasTable))) return undefined;
  return (await client.query<Holder>(read)).rows[0];
}

/**
 * Refuses a database of another server.
 *
 * @throws SettingsError that says what to do
 */
export async function assertOwner(client: Client, serverName: string): Promise<void> {
  const owner = (await readHolder(client))?.server_name ?? (await formerOwner(client));
  if (owner === undefined || owner === serverName) return;
  throw new SettingsError(
    'PARTYLINE_SERVER_NAME',
    `this database belongs to the server ${owner}, whose name is part of all names in it; set PARTYLINE_SERVER_NAME=${owner},`
    + ` or give ${serverName} a database of its own (another DATABASE_URL or PARTYLINE_DATA_DIR)`,
  );
}

/**
 * Writes down that this process has the database.
 *
 * @returns the epoch; undefined when the table is yet to be made
 */
export async function holdDatabase(client: Client, serverName: string, now: number): Promise<number | undefined> {
  if (!(await has(client, hasTable))) return undefined;
  const holder = `${hostname()}, process ${process.pid}`;
  const { rows } = await client.query<{ epoch: string }>(raise, [holder, now]);
  const row = rows[0] ?? (await client.query<{ epoch: string }>(insert, [serverName, holder, now])).rows[0];
  return Number(row!.epoch);
}

/** Of databases that are older than the table. */
async function formerOwner(client: Client): Promise<string | undefined> {
  if (!(await has(client, hasEvents))) return undefined;
  const sender = (await client.query<{ sender: string }>(timed({ text: ownSender }, LONG_MS))).rows[0]?.sender;
  return sender?.slice(sender.indexOf(':') + 1);
}

async function has(client: Client, question: string): Promise<boolean> {
  return (await client.query<{ has: boolean }>(question)).rows[0]!.has;
}
