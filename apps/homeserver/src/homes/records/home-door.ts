import { Injectable } from '@nestjs/common';
import { genesisHash, isSelfCertifying, recordHash, recordOf, type HomeRecord, type RoomEvent, type StateReader } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { NameDoor } from '../../rooms/remote/name-door.js';
import type { RoomDraft } from '../../rooms/pipeline/room-draft.js';
import type { Room } from '../../rooms/room.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { DomainSilence } from './domain-silence.js';
import { endorsementText } from './endorsements.js';
import { HomeRecords } from './home-records.js';
import { NameWitnesses } from './name-witnesses.js';

/** Between asking and judging an event waits for its turn in the room. */
const GOOD_FOR_MS = 60_000;

/** `proven` opens and is attested; an error is for the sender; a reason is for the log. */
type Verdict = 'proven' | 'open' | { readonly refused: string } | MatrixError;

/** The door as homes and domains make it. */
@Injectable()
export class HomeDoor extends NameDoor {
  readonly #verdicts = boundedCache<string, { readonly verdict: Verdict; readonly until: number }>(10_000);

  constructor(
    private readonly records: HomeRecords,
    private readonly witnesses: NameWitnesses,
    private readonly silence: DomainSilence,
    private readonly clock: Clock,
  ) {
    super();
  }

  override prepare(origin: string, room: Room, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    return Promise.all(events.map(async (event) => {
      const record = newcomer(room.state, event);
      if (!record) return event;
      const verdict = await this.#verdict(origin, room, event, record);
      this.#verdicts.set(keyOf(room.id, event, record), { verdict, until: this.clock.steady() + GOOD_FOR_MS });
      if (verdict !== 'proven' || isSelfCertifying(record.user_id)) return event;
      return (await this.witnesses.isAttestedBy(event, record)) ? event : this.witnesses.attested(event, record, room.rules);
    }));
  }

  override objection(draft: RoomDraft, event: RoomEvent): string | null {
    const record = newcomer(draft, event);
    if (!record) return null;
    const found = this.#verdicts.get(keyOf(draft.room.id, event, record));
    if (!found || found.until < this.clock.steady()) throw cannotTell();
    if (found.verdict instanceof MatrixError) throw found.verdict;
    return typeof found.verdict === 'string' ? null : found.verdict.refused;
  }

  async #verdict(origin: string, room: Room, event: RoomEvent, record: HomeRecord): Promise<Verdict> {
    try {
      await this.records.accept(record, origin);
      // A home that was dropped brings the record of before.
      if (!(await this.records.isHome(record.user_id, event.pdu.home ?? ''))) return { refused: 'its home is none of the account any more' };
      return (await this.records.pin(record.user_id))?.isEndorsed ? 'proven' : 'open';
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      if (isNamedByInvitation(room.state, record)) return 'open';
      if (error.status === 429 || error.status === 400) return error;
      // What one server attests to another does not stand against a genesis that was proven here.
      if (error.status === 403 && (await this.#isAnothers(record))) return { refused: error.message };
      if (await this.witnesses.isAttested(record)) return 'open';
      if (error.status === 403) return { refused: error.message };
      const isPublic = room.state.get('m.room.join_rules', '')?.pdu.content['join_rule'] === 'public';
      return isPublic && (await this.silence.isLong(record.genesis.server_name)) ? 'open' : error;
    }
  }

  /** Whether the name is pinned to another genesis that was proven. */
  async #isAnothers(record: HomeRecord): Promise<boolean> {
    const pin = await this.records.pin(record.user_id);
    return pin !== undefined && pin.isEndorsed && pin.genesisSha256 !== genesisHash(record.genesis);
  }
}

/** The record of an event by which somebody shows, first of all or other than before, under what genesis and endorsement he bears his name. */
function newcomer(state: StateReader, event: RoomEvent): HomeRecord | undefined {
  const { type, sender, state_key: stateKey, home } = event.pdu;
  if (type !== 'm.room.member' || stateKey !== sender || home === undefined) return undefined;
  const record = recordOf(event);
  if (!record) return undefined;
  const create = state.get('m.room.create', '');
  const current = recordOf(state.get('m.room.member', sender)) ?? (create?.pdu.sender === sender ? recordOf(create) : undefined);
  if (!current || genesisHash(current.genesis) !== genesisHash(record.genesis)) return record;
  const isFinalNow = current.endorsement_terms?.provisional === true && endorsementText(current) !== endorsementText(record);
  return isFinalNow ? record : undefined;
}

/** A member of the room has invited this genesis, whoever bears the name elsewhere. */
function isNamedByInvitation(state: StateReader, record: HomeRecord): boolean {
  const invitation = state.get('m.room.member', record.user_id)?.pdu.content;
  return invitation?.['membership'] === 'invite' && invitation['genesis_sha256'] === genesisHash(record.genesis);
}

function keyOf(roomId: string, event: RoomEvent, record: HomeRecord): string {
  return `${roomId} ${event.pdu.home} ${record.user_id} ${recordHash(record)}`;
}

function cannotTell(): MatrixError {
  return MatrixError.unknown(502, 'Whose name this is cannot be told now');
}
