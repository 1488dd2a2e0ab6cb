import { Injectable } from '@nestjs/common';
import {
  admittedInput, canonicalJson, genesisHash, isSameGenesis, readAdmitted, recordOf, verifyAdmitted, withAdmitted, type Admitted,
  type HomeRecord, type RoomEvent, type RoomVersionRules,
} from '#federation';
import { parseStoredJson } from '#json';
import { readKeyResponse } from '../../federation/keys/key-response.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { DomainSilence } from './domain-silence.js';
import { isEndorsedBy } from './endorsements.js';
import { RoomRecords } from './room-records.js';

/** How long it stands that nobody vouches for a genesis. */
const NOBODY_FOR_MS = 10_000;
const MAX_SIGNATURES = 5;
/** Member events of one account, each upon the one before, that are looked through for attestations. */
const MAX_LEVELS = 50;
/** Member events with attestations that are shown to others, and taken of them. */
const MAX_ADMISSIONS = 4;
/** Of one attestation, as they are read. */
const MAX_BYTES = 4_096;

/** Who but its domain stands for a genesis: servers that admitted it as proven to rooms here, and people here who named it. */
@Injectable()
export class NameWitnesses {
  readonly #attested = boundedCache<string, { readonly isAttested: boolean; readonly until: number }>(20_000);

  constructor(
    private readonly rooms: RoomRecords,
    private readonly keyRing: KeyRing,
    private readonly serverKeys: ServerKeys,
    private readonly silence: DomainSilence,
    private readonly clock: Clock,
  ) {}

  /** Whether a member event of a portable room here carries an attestation for this genesis that counts. */
  async isAttested(record: HomeRecord): Promise<boolean> {
    const key = `${record.user_id} ${genesisHash(record.genesis)}`;
    const known = this.#attested.get(key);
    if (known && known.until > this.clock.steady()) return known.isAttested;
    const isAttested = await this.#isInRooms(record);
    this.#attested.set(key, { isAttested, until: isAttested ? Number.POSITIVE_INFINITY : this.clock.steady() + NOBODY_FOR_MS });
    return isAttested;
  }

  /** The first member event carries it; what the room shows may be a later one, which rests on those before. */
  async #isInRooms(record: HomeRecord): Promise<boolean> {
    let events = await this.rooms.memberEvents(record.user_id);
    for (let level = 0; events.length > 0 && level < MAX_LEVELS; level++) {
      for (const event of events) if (await this.isAttestedBy(event, record)) return true;
      events = await this.rooms.before(record.user_id, events);
    }
    return false;
  }

  /** Member events of the account in a room, from its present one back, that carry attestations: a few, for who asks for them. */
  async admissions(userId: string, present: RoomEvent): Promise<RoomEvent[]> {
    const found: RoomEvent[] = [];
    let events = [present];
    for (let level = 0; events.length > 0 && level < MAX_LEVELS && found.length < MAX_ADMISSIONS; level++) {
      found.push(...events.filter((event) => readAdmitted(event.pdu).length > 0));
      events = await this.rooms.before(userId, events);
    }
    return found.slice(0, MAX_ADMISSIONS);
  }

  /** Takes what others show of rooms that are not here yet. @returns whether somebody's word among it counts */
  async learn(record: HomeRecord, shown: readonly RoomEvent[]): Promise<boolean> {
    for (const event of shown.slice(0, MAX_ADMISSIONS)) {
      if (!(await this.isAttestedBy(event, record))) continue;
      this.#attested.set(`${record.user_id} ${genesisHash(record.genesis)}`, { isAttested: true, until: Number.POSITIVE_INFINITY });
      return true;
    }
    return false;
  }

  /**
   * Whether the event's attestation counts for the genesis of the record: it is of a server other than the bearer's homes in the event,
   * whose time is their own word, and other than his later homes unless it is older than the domain's silence; and the domain's key
   * that proved it is one that the domain uses as far as this server knows, if it knows anything of it.
   */
  async isAttestedBy(event: RoomEvent, record: HomeRecord): Promise<boolean> {
    const shown = recordOf(event);
    if (!shown || !isSameGenesis(shown, record)) return false;
    const isHome = ({ homes }: HomeRecord, server: string): boolean => homes.some((home) => home.server_name === server);
    for (const admitted of readAdmitted(event.pdu)) {
      if (isHome(shown, admitted.server_name)) continue;
      if (isHome(record, admitted.server_name) && !(await this.#isBeforeSilence(record, admitted))) continue;
      if (await this.#isGood(event, admitted, shown)) return true;
    }
    return false;
  }

  /**
   * With a key that was in use when it was attested. A key that the domain has retired may be stolen, and who has it makes up an
   * answer in which it is in use; the time is only what the attesting server says. So the last answer that is known here decides.
   */
  async #isGood(event: RoomEvent, admitted: Admitted, record: HomeRecord): Promise<boolean> {
    const domain = record.genesis.server_name;
    const listed = await this.keyRing.listed(domain, Number.POSITIVE_INFINITY);
    const usable = (readKeyResponse(admitted.keys, domain)?.keys ?? [])
      .filter((key) => key.expiredTs === null && (!listed || listed.keys.get(key.keyId) === key.publicKey));
    if (!(await isEndorsedBy(record, new Map(usable.map((key) => [key.keyId, key.publicKey]))))) return false;
    const keys: Record<string, string> = {};
    for (const keyId of Object.keys(admitted.signatures[admitted.server_name] ?? {}).slice(0, MAX_SIGNATURES)) {
      const key = await this.keyRing.publicKey(admitted.server_name, keyId, admitted.ts);
      if (key !== undefined) keys[keyId] = key;
    }
    return verifyAdmitted(event, admitted, keys);
  }

  /** Whether the genesis is followed though its domain has said nothing for seven days (protocol §2). */
  async vouchFor(record: HomeRecord): Promise<boolean> {
    if (!(await this.silence.isLong(record.genesis.server_name))) return false;
    return (await this.isAttested(record)) || this.rooms.isNamedByContact(record.user_id, genesisHash(record.genesis));
  }

  /** The event with this server's attestation and the key answer that proved the endorsement; as it is when no listed key did. */
  async attested(event: RoomEvent, record: HomeRecord, rules: RoomVersionRules): Promise<RoomEvent> {
    const listed = await this.keyRing.listed(record.genesis.server_name, Number.POSITIVE_INFINITY);
    if (!listed || !(await isEndorsedBy(record, listed.keys))) return event;
    const { serverName, signing } = this.serverKeys;
    const about = { server_name: serverName, ts: this.clock.now(), keys: parseStoredJson(listed.json) as Admitted['keys'] };
    const signature = signing.sign(admittedInput(event, genesisHash(record.genesis), about));
    const admitted = { ...about, signatures: { [serverName]: { [signing.keyId]: signature } } };
    // A key answer with many old keys has no room in an event.
    return Buffer.byteLength(canonicalJson(admitted)) > MAX_BYTES ? event : withAdmitted(event, admitted, rules);
  }

  async #isBeforeSilence(record: HomeRecord, { ts }: Admitted): Promise<boolean> {
    const since = await this.silence.since(record.genesis.server_name);
    return since !== undefined && ts < since;
  }
}
