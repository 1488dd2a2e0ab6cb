import { Injectable } from '@nestjs/common';
import { isEventId, roomVersion, type HomeRecord, type RoomVersionRules } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { stateHash } from './state-hash.js';

/** State of a room with many thousands of members. */
const MAX_COPY_BYTES = 256 * 1024 * 1024;
const COPY_TIMEOUT_MS = 120_000;
const ENDS_TIMEOUT_MS = 10_000;
const MAX_ENDS_BYTES = 16 * 1024 * 1024;
const MAX_ENDS = 100;
const MAX_SERVERS = 200;
/** Threads whose receipts are read. */
const MAX_READ = 200;
const MAX_ADMISSIONS = 4;
/** State ids that a question names, so that only the rest is given; beyond, the whole is asked for. */
const MAX_KNOWN = 20_000;

/** What a replica says of the room's end as it has it (protocol §8, `POST attach/{roomId}`), read but unproven. */
export interface ReplicaAnswer {
  readonly server: string;
  readonly rules: RoomVersionRules;
  /** Event ids of its forward extremities. */
  readonly ends: readonly string[];
  /** By end, what the state after it has with and without the events of the current state. */
  readonly branches: ReadonlyMap<string, { readonly with: readonly string[]; readonly without: readonly string[] }>;
  /** These as events, and where that was asked for what is between them and the given ones: parsed JSON. */
  readonly pdus: readonly unknown[];
  /** The account's member events with attestations: parsed JSON. */
  readonly admissions: readonly unknown[];
  /** Servers in the room. */
  readonly servers: readonly string[];
  /** SHA-256 of the sorted ids of its current state. */
  readonly stateHash: string;
  /** What it knows that the account has read: event ids by thread, of its public receipts. */
  readonly read: ReadonlyMap<string, string>;
  /** Those of the events asked for that it has. */
  readonly seen: readonly string[];
}

export interface ReplicaCopy extends ReplicaAnswer {
  /** Event ids of the current state. */
  readonly stateIds: readonly string[];
  /** Parsed JSON. */
  readonly state: readonly unknown[];
  readonly authChain: readonly unknown[];
}

/** Who asks: a home of the account, by this record. */
export interface Asker {
  readonly userId: string;
  readonly record: HomeRecord;
}

/** Asks replicas about a room that moves in. */
@Injectable()
export class ReplicaRequests {
  constructor(private readonly federation: FederationClient) {}

  /**
   * @param seen event ids that a client of the account has
   * @param since ends of others: what leads from here to them is given too
   * @param admissions asks for the account's member events with attestations, too
   * @throws MatrixError when the server refuses, is away or makes no sense
   */
  async ends(server: string, roomId: string, { userId, record }: Asker, more: { seen?: readonly string[]; since?: readonly string[]; admissions?: true } = {}): Promise<ReplicaAnswer> {
    return readAnswer(server, await this.#ask(server, roomId, { user_id: userId, record, ends_only: true, ...more }, ENDS_TIMEOUT_MS, MAX_ENDS_BYTES));
  }

  /** @param known state events that are here: they, and what they lead to, are left out */
  async copy(server: string, roomId: string, { userId, record }: Asker, known: readonly string[] = []): Promise<ReplicaCopy> {
    const body = { user_id: userId, record, ...(known.length > 0 && known.length <= MAX_KNOWN && { known }) };
    const answer = await this.#ask(server, roomId, body, COPY_TIMEOUT_MS, MAX_COPY_BYTES);
    if (!Array.isArray(answer['state']) || !Array.isArray(answer['auth_chain']) || !Array.isArray(answer['state_ids'])) {
      throw MatrixError.unknown(502, `${server} gave no copy of a room`);
    }
    const stateIds = texts(answer['state_ids']);
    // Not what it says: a lie under the hash of others' state would count as theirs.
    return { ...readAnswer(server, answer), stateHash: stateHash(stateIds), stateIds, state: answer['state'], authChain: answer['auth_chain'] };
  }

  #ask(destination: string, roomId: string, body: object, timeoutMs: number, maxBytes: number): Promise<Record<string, unknown>> {
    const path = federationPath`/_matrix/federation/unstable/io.partyline/attach/${roomId}`;
    return this.federation.request<Record<string, unknown>>({ destination, method: 'POST', path, body, timeoutMs, maxBytes });
  }
}

function readAnswer(server: string, answer: Record<string, unknown>): ReplicaAnswer {
  const { room_version: version, ends, pdus, admissions, servers, state_sha256: stateHash, read, seen } = answer;
  const rules = typeof version === 'string' ? roomVersion(version) : undefined;
  if (!rules?.portable || !Array.isArray(ends)) throw MatrixError.unknown(502, `${server} does not hold a portable room`);
  const given = (ends as ({ event_id?: unknown; with?: unknown; without?: unknown } | null)[]).slice(0, MAX_ENDS).flatMap((end) =>
    typeof end?.event_id === 'string' ? [[end.event_id, { with: texts(end.with), without: texts(end.without) }] as const] : []);
  return {
    server, rules,
    ends: given.map(([id]) => id),
    branches: new Map(given),
    pdus: Array.isArray(pdus) ? pdus : [],
    admissions: Array.isArray(admissions) ? admissions.slice(0, MAX_ADMISSIONS) : [],
    servers: texts(servers).slice(0, MAX_SERVERS),
    stateHash: typeof stateHash === 'string' ? stateHash : '',
    read: readReceipts(read),
    seen: texts(seen),
  };
}

function readReceipts(value: unknown): Map<string, string> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).slice(0, MAX_READ).filter((entry): entry is [string, string] => entry[0].length <= 255 && typeof entry[1] === 'string' && isEventId(entry[1])));
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
