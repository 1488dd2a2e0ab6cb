import { Injectable } from '@nestjs/common';
import { genesisHash, isSelfCertifying, recordOf, type HomeRecord, type RoomEvent } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { HomeRecords } from '../records/home-records.js';
import { NameWitnesses } from '../records/name-witnesses.js';

/** Members that are looked at by one request. */
const MAX_MEMBERS = 500;
const CONCURRENCY = 16;

/**
 * What is known of a member's name: other servers attested it when the domain lived (`attested`); the domain cannot be asked and nobody vouches
 * (`unproven`); the domain lives and says otherwise, or another genesis is pinned here (`refused`).
 */
export type ShownProof = 'attested' | 'unproven' | 'refused';

/** Answer of `GET …/rooms/{roomId}/names`. */
export interface RoomNamesBody {
  /** Joined members whose name is not proven here. All others are proven. */
  readonly names: Readonly<Record<string, { readonly genesis_sha256: string; readonly proof: ShownProof }>>;
  /** Members for whose name its domain has stood twice, with different geneses. */
  readonly disputed: readonly string[];
  /** Members of whom nothing is said, because there are too many. */
  readonly left_out: number;
}

/** Whose names in a room are not proven, for clients to show (protocol §2). */
@Injectable()
export class RoomNames {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly records: HomeRecords,
    private readonly witnesses: NameWitnesses,
  ) {}

  /** @throws MatrixError 403 `M_FORBIDDEN` unless the user is joined to the room */
  async of(userId: string, roomId: string): Promise<RoomNamesBody> {
    const room = await this.registry.find(roomId);
    if (!room?.state.joined.has(userId)) throw MatrixError.forbidden('You are not in this room');
    const members = room.rules.portable ? [...room.state.joined].filter((id) => !isSelfCertifying(id)) : [];
    const waiting = members.slice(0, MAX_MEMBERS);
    const names: Record<string, { genesis_sha256: string; proof: ShownProof }> = {};
    const disputed: string[] = [];
    const worker = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        const event = room.state.get('m.room.member', id);
        const record = recordOf(event);
        if (!event || !record) continue;
        const proof = await this.#proof(event, record);
        if (proof !== 'proven') names[id] = { genesis_sha256: genesisHash(record.genesis), proof };
        if ((await this.records.pin(id))?.isDisputed) disputed.push(id);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return { names, disputed: disputed.sort(), left_out: Math.max(0, members.length - MAX_MEMBERS) };
  }

  async #proof(event: RoomEvent, record: HomeRecord): Promise<ShownProof | 'proven'> {
    let refused: ShownProof = 'unproven';
    try {
      await this.records.accept(record);
      if ((await this.records.pin(record.user_id))?.isEndorsed) return 'proven';
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      if (error.status === 403) refused = 'refused';
    }
    return (await this.witnesses.isAttestedBy(event, record)) ? 'attested' : refused;
  }
}
