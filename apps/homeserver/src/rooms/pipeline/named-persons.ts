import { Injectable } from '@nestjs/common';
import { genesisHash, isJsonObject, jsonMember, recordOf, type JsonObject, type JsonValue, type StateReader } from '#federation';
import { AccountServers } from '../../accounts/account-servers.js';
import { MatrixError } from '../../errors/matrix-error.js';

const GENESES = 'io.partyline.genesis';
/** People outside of the room to whom one request gives power: for each a server may have to be asked. */
const MAX_STRANGERS = 20;

/**
 * Says whom power means in portable rooms (protocol §3 rule 6): the person, by the hash of the genesis, since a name can come to
 * somebody else. Clients know nothing of it, so their home fills it in.
 */
@Injectable()
export class NamedPersons {
  constructor(private readonly servers: AccountServers) {}

  /**
   * Power levels with the geneses of all who have a level above the standard one.
   *
   * @param state the room's, if it exists; the person whom it knows is meant
   * @throws MatrixError 400 `M_INVALID_PARAM` for a new level of somebody whose record is not to be had
   */
  async inLevels(content: JsonObject, state?: StateReader): Promise<JsonObject> {
    const previous = state?.get('m.room.power_levels', '')?.pdu.content;
    const standard = jsonMember(content, 'users_default') ?? 0;
    const users = jsonMember(content, 'users');
    const geneses: JsonObject = {};
    let strangers = 0;
    for (const [userId, level] of Object.entries(isJsonObject(users) ? users : {})) {
      if (typeof level !== 'number' || typeof standard !== 'number' || level <= standard) continue;
      const isUnchanged = jsonMember(jsonMember(previous, 'users'), userId) === level;
      const before = jsonMember(jsonMember(previous, GENESES), userId);
      if (!isUnchanged && !recordOf(state?.get('m.room.member', userId)) && ++strangers > MAX_STRANGERS) throw tooMany();
      const genesis: JsonValue | undefined = isUnchanged ? (before ?? knownIn(state, userId)) : (knownIn(state, userId) ?? (await this.servers.genesisOf(userId)));
      if (genesis !== undefined) geneses[userId] = genesis;
      // A level from before rooms said so counts for nobody; it does not keep others from being set.
      else if (!isUnchanged) throw unknown(userId);
    }
    const { [GENESES]: _given, ...rest } = content;
    return Object.keys(geneses).length > 0 ? { ...rest, [GENESES]: geneses } : rest;
  }

  /**
   * The content of a create event with the geneses of the additional creators.
   *
   * @throws MatrixError 400 `M_INVALID_PARAM` where a record is not to be had
   */
  async inCreation(content: JsonObject): Promise<JsonObject> {
    const creators = content['additional_creators'];
    if (!Array.isArray(creators) || creators.length === 0) return content;
    if (creators.length > MAX_STRANGERS) throw tooMany();
    const geneses: JsonObject = {};
    for (const userId of creators) {
      if (typeof userId !== 'string') continue; // the auth rules refuse it
      const genesis = await this.servers.genesisOf(userId);
      if (genesis === undefined) throw unknown(userId);
      geneses[userId] = genesis;
    }
    return { ...content, [GENESES]: geneses };
  }
}

function knownIn(state: StateReader | undefined, userId: string): string | undefined {
  const record = recordOf(state?.get('m.room.member', userId));
  return record && genesisHash(record.genesis);
}

function tooMany(): MatrixError {
  return MatrixError.invalidParam(`Power can be given to ${MAX_STRANGERS} people at once who are not in the room`);
}

function unknown(userId: string): MatrixError {
  return MatrixError.invalidParam(`In this room power is given to a person, and the home record of ${userId} is not known here or cannot be had now`);
}
