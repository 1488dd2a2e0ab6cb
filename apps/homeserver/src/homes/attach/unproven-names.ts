import { Injectable } from '@nestjs/common';
import { PduFormatError, readPdu, type HomeRecord, type RoomEvent } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { atMost } from '../../observability/at-most.js';
import { Log } from '../../observability/log.js';
import { DomainSilence } from '../records/domain-silence.js';
import { HomeRecords, verifiedRecord } from '../records/home-records.js';
import { NameWitnesses } from '../records/name-witnesses.js';
import type { RoomServers } from './arrivals.js';
import { ReplicaRequests } from './replica-requests.js';

/** Somebody waits for it. */
const PATIENCE_MS = 8_000;
const MAX_ROOMS = 5;
const MAX_SERVERS = 5;

/**
 * Accounts whose domain has been silent for seven days, at a server that never had to do with it (protocol §2, "Proof"): this one may
 * become their home when a replica of one of their rooms hands over what somebody attested who let them in.
 */
@Injectable()
export class UnprovenNames {
  readonly #slots = new FairSlots(fairLimits(16));

  constructor(
    private readonly records: HomeRecords,
    private readonly silence: DomainSilence,
    private readonly witnesses: NameWitnesses,
    private readonly requests: ReplicaRequests,
    private readonly log: Log,
  ) {}

  /**
   * Takes a record as `HomeRecords.accept` does.
   *
   * @returns the record unless it was taken: whose it is cannot be told, nobody bears the name here, and its domain is dead. It says
   *   nothing yet, but this server may offer itself to it.
   */
  async take(value: unknown): Promise<HomeRecord | null> {
    try {
      await this.records.accept(value, 'client');
      return null;
    } catch (error) {
      if (!isUntold(error)) throw error;
      const record = verifiedRecord(value);
      const isFree = (await this.records.pin(record.user_id)) === undefined;
      if (!isFree || !(await this.silence.isLong(record.genesis.server_name))) throw error;
      return record;
    }
  }

  /**
   * Whether it is worth trying again to take a record that could not be: a replica has shown who attested its genesis.
   *
   * @param error why it was not taken
   * @param record names this server among its homes, so that replicas answer
   * @param rooms as the client names them
   */
  async isVouchedFor(error: unknown, record: HomeRecord, rooms: RoomServers): Promise<boolean> {
    if (!isUntold(error) || !(await this.silence.isLong(record.genesis.server_name))) return false;
    const asked = [...rooms].slice(0, MAX_ROOMS).flatMap(([roomId, servers]) => servers.slice(0, MAX_SERVERS).map((server) => ({ roomId, server })));
    const answers = asked.map(async ({ roomId, server }) => {
      const events = await this.#admissions(server, roomId, record);
      if (!(await this.witnesses.learn(record, events))) throw new Error('nobody vouches');
    });
    return atMost(Promise.any(answers).then(() => true, () => false), PATIENCE_MS, false);
  }

  async #admissions(server: string, roomId: string, record: HomeRecord): Promise<RoomEvent[]> {
    const { user_id: userId } = record;
    try {
      const answer = await this.#slots.run({ account: userId, destination: server }, () => this.requests.ends(server, roomId, { userId, record }, { admissions: true }));
      return answer.admissions.flatMap((pdu) => {
        try {
          return [readPdu(pdu, answer.rules)];
        } catch (error) {
          if (error instanceof PduFormatError) return [];
          throw error;
        }
      });
    } catch (error) {
      this.log.debug('a replica did not show who let somebody in', { server, roomId, reason: String(error) });
      return [];
    }
  }
}

function isUntold(error: unknown): boolean {
  return error instanceof MatrixError && error.status === 502;
}
