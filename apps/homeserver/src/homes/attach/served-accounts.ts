import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import {
  homesInForce, PduFormatError, readPdu, recordOf, roomVersions, type HeardRecords, type HomeEntry, type HomeRecord, type RoomEvent, type RoomVersionRules,
} from '#federation';
import { AccessTokens } from '../../accounts/access-tokens.js';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Deactivation } from '../../accounts/deactivation.js';
import { Bus } from '../../bus/bus.js';
import { Config } from '../../config/config.js';
import { AdoptedDevices } from '../../device-keys/adopted-devices.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { Log } from '../../observability/log.js';
import { AbsentRooms } from '../../rooms/remote/absent-rooms.js';
import { HomeSignatures } from '../../rooms/state/home-signatures.js';
import { membershipOf } from '../../rooms/state/room-state.js';
import { AccountRecordStore } from '../records/account-record.store.js';
import { HomeKeys } from '../records/home-keys.js';
import { HomeRecords } from '../records/home-records.js';
import type { HomesInForce } from '../records/record-work.js';
import { RecordClaims } from '../records/record-claims.js';
import { readVersions, RECORD_MEMBER, VERSIONS_MEMBER } from '../records/record-version.js';
import { Arrivals } from './arrivals.js';
import { RoomTellings } from './room-tellings.js';

/** Accounts of one answer whose versions are looked at. */
const MAX_CLAIMED = 500;

/**
 * Puts new records of accounts to work: an account comes to live here or leaves. The records come from clients, from other
 * homes, and from member events.
 */
@Injectable()
export class ServedAccounts implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #unsubscribe: (() => void)[] = [];

  constructor(
    private readonly config: Config,
    private readonly directory: AccountDirectory,
    private readonly tokens: AccessTokens,
    private readonly store: AccountRecordStore,
    private readonly records: HomeRecords,
    private readonly keys: HomeKeys,
    private readonly arrivals: Arrivals,
    private readonly rooms: RoomTellings,
    private readonly absent: AbsentRooms,
    private readonly signatures: HomeSignatures,
    private readonly adopted: AdoptedDevices,
    private readonly deactivation: Deactivation,
    private readonly federation: FederationClient,
    private readonly claims: RecordClaims,
    private readonly bus: Bus,
    private readonly log: Log,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.#resume();
    this.#unsubscribe.push(
      this.records.onChanged((record, previous, homes) => this.#changed(record, previous, homes)),
      this.bus.subscribe((message) => {
        if (message.kind !== 'room') return;
        for (const { event, isOwn } of message.events) {
          const record = isOwn ? undefined : recordOf(event);
          if (record) void this.#seen(record);
        }
      }),
      this.federation.onAnswer((destination, body) => this.#told(destination, body)),
      this.absent.onEvents((origin, roomId, pdus) => void this.#joinedElsewhere(origin, roomId, pdus)),
    );
  }

  onModuleDestroy(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** Whether this server is among homes of the account, with the key that it has for the account. */
  async isServedBy(userId: string, homes: readonly HomeEntry[]): Promise<boolean> {
    const entry = homes.find((home) => home.server_name === this.config.serverName);
    if (!entry) return false;
    const key = await this.keys.find(userId);
    return key !== undefined && key.keyId === entry.key_id && key.publicKey === entry.key;
  }

  /** What a record began to change when this server stopped. */
  async #resume(): Promise<void> {
    for (const heard of await this.store.ofAbsentAccounts()) {
      const now = homesInForce(heard);
      if (heard.record.deactivated) await this.#end(heard.record).catch((error: unknown) => this.log.error('what an account left here could not be erased', error));
      else if (await this.isServedBy(heard.record.user_id, now)) await this.#changed(heard.record, undefined, { now, before: [] });
    }
    for (const heard of await this.store.ofLocalAccounts()) {
      const { record } = heard;
      if (record.epoch > 0 && !record.deactivated) await this.deactivation.revive(record.user_id, record.epoch);
      if (record.deactivated) await this.#end(record);
      else if (!(await this.#mayReturn(heard)) && (await this.keys.find(record.user_id))) await this.#leave(record.user_id);
    }
  }

  /** A home that only one of two records names, signed apart, may be one when they are merged, unless one of them has dropped it. */
  async #mayReturn({ record, keys }: HeardRecords): Promise<boolean> {
    return this.isServedBy(record.user_id, record.homes.filter((home) => keys[home.key]?.[1] !== true));
  }

  async #changed(record: HomeRecord, previous: HomeRecord | undefined, { now, before }: HomesInForce): Promise<void> {
    const userId = record.user_id;
    if (record.deactivated) return this.#end(record);
    if (previous && record.epoch > previous.epoch) await this.deactivation.revive(userId, record.epoch);
    await this.deactivation.reopen(userId, record.homes.map((home) => home.server_name));
    if (!(await this.isServedBy(userId, now))) {
      const heard = await this.records.heard(userId);
      const isOut = !heard || !(await this.#mayReturn(heard));
      if (isOut && this.directory.has(userId) && previous && (await this.isServedBy(userId, previous.homes))) await this.#leave(userId);
      return;
    }
    const isNew = !this.directory.has(userId);
    if (isNew) await this.directory.create({ userId }, (tx) => this.adopted.adopt(tx, userId));
    if (isNew || (previous && !(await this.isServedBy(userId, before)))) {
      const homes = [...record.homes, ...(previous?.homes ?? [])].map((home) => home.server_name);
      await this.arrivals.begin(userId, [...new Set(homes)].filter((name) => name !== this.config.serverName), new Map());
    }
  }

  /** The account has ended, and so it does here, also where it was no home any more. */
  async #end(record: HomeRecord): Promise<void> {
    const { user_id: userId, epoch, erase = false } = record;
    await this.rooms.forget(userId);
    await this.arrivals.forget(userId);
    if (this.directory.has(userId)) await this.deactivation.begin(userId, { erase });
    else if (await this.keys.hasLeftovers(userId, epoch)) {
      await this.deactivation.erase(userId, { erase });
      await this.keys.erased(userId, epoch);
    }
  }

  /** The account has dropped this server. What it left here is out of reach, and stays for its return. */
  async #leave(userId: string): Promise<void> {
    await this.tokens.revokeAll(userId);
    await this.arrivals.forget(userId);
    await this.rooms.forget(userId);
    await this.directory.remove(userId);
  }

  /** What another server's answer says about records: the one by which it refused this server, and versions that it has. */
  #told(destination: string, body: Readonly<Record<string, unknown>>): void {
    const record = body[RECORD_MEMBER] as { user_id?: unknown } | undefined;
    if (typeof record?.user_id === 'string' && this.directory.has(record.user_id)) void this.#seen(record as HomeRecord, destination);
    if (body[VERSIONS_MEMBER] !== undefined) this.claims.noticed(destination, readVersions(body[VERSIONS_MEMBER], MAX_CLAIMED));
  }

  async #seen(record: HomeRecord, from?: string): Promise<void> {
    try {
      await this.records.accept(record, from);
    } catch (error) {
      if (!(error instanceof MatrixError)) this.log.error('a record from a room could not be kept', error, { userId: record.user_id });
    }
  }

  /** Another home of an account has brought it into a room: this one follows. */
  async #joinedElsewhere(origin: string, roomId: string, pdus: readonly unknown[]): Promise<void> {
    try {
      for (const pdu of pdus) {
        const join = await this.#ownJoin(pdu);
        if (join?.roomId !== roomId) continue;
        await this.arrivals.addRooms(join.pdu.sender, new Map([[roomId, [origin, join.pdu.home!]]]));
      }
    } catch (error) {
      if (!(error instanceof MatrixError)) this.log.error('a room of an account could not be noted', error, { roomId });
    }
  }

  /** The event if a home of an account of this server has made it to join; nobody else can have this server look for rooms. */
  async #ownJoin(pdu: unknown): Promise<RoomEvent | undefined> {
    const { type, sender, state_key: stateKey } = (pdu ?? {}) as Record<string, unknown>;
    if (type !== 'm.room.member' || typeof sender !== 'string' || sender !== stateKey || !this.directory.has(sender)) return undefined;
    for (const rules of roomVersions) {
      if (!rules.portable) continue;
      const event = readEvent(pdu, rules);
      const carried = event && recordOf(event);
      if (!carried || carried.user_id !== sender || membershipOf(event) !== 'join') continue;
      await this.records.accept(carried);
      const home = (await this.records.homesOf(sender)).find((entry) => entry.server_name === event.pdu.home);
      if (home && this.signatures.context(rules).verifyHomeSignature(event, home.server_name, home.key_id, home.key)) return event;
    }
    return undefined;
  }
}

function readEvent(pdu: unknown, rules: RoomVersionRules): RoomEvent | undefined {
  try {
    return readPdu(pdu, rules);
  } catch (error) {
    if (error instanceof PduFormatError) return undefined;
    throw error;
  }
}
