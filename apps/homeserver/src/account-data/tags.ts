import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { boundedJson } from '../accounts/bounded-json.js';
import { MatrixError } from '../errors/matrix-error.js';
import { AccountDataStore } from './account-data.store.js';
import { accountDataOp, AccountDataWriter } from './account-data-writer.js';

const TAG_TYPE = 'm.tag';
const MAX_TAG_BYTES = 255;
const MAX_CONTENT_BYTES = 64 * 1024;

type TagList = Record<string, unknown>;

/** Tags of rooms (client-api "room tagging"): room account data of type `m.tag`, changed one by one. */
@Injectable()
export class Tags {
  constructor(
    private readonly store: AccountDataStore,
    private readonly writer: AccountDataWriter,
  ) {}

  async list(userId: string, roomId: string): Promise<TagList> {
    return tagsOf((await this.store.get(userId, roomId, TAG_TYPE)) ?? null);
  }

  /** @throws MatrixError 400 M_INVALID_PARAM when the name is too long; 413 M_TOO_LARGE when the room has too many tags */
  async set(userId: string, roomId: string, tag: string, content: object): Promise<void> {
    if (Buffer.byteLength(tag) > MAX_TAG_BYTES) throw MatrixError.invalidParam('The name of the tag is too long');
    await this.#change(userId, roomId, (tags) => ({ ...tags, [tag]: content }));
  }

  async remove(userId: string, roomId: string, tag: string): Promise<void> {
    await this.#change(userId, roomId, ({ [tag]: _removed, ...tags }) => tags);
  }

  /** Takes the tags of a room to another one that has none. */
  async copy(userId: string, from: string, to: string): Promise<void> {
    const tags = await this.list(userId, from);
    if (Object.keys(tags).length === 0 || Object.keys(await this.list(userId, to)).length > 0) return;
    await this.#change(userId, to, (present) => (Object.keys(present).length > 0 ? present : tags));
  }

  async #change(userId: string, roomId: string, apply: (tags: TagList) => TagList): Promise<void> {
    await this.writer.submit({
      userId,
      roomId,
      type: TAG_TYPE,
      change: (present) => boundedJson({ tags: apply(tagsOf(present)) }, MAX_CONTENT_BYTES, 'The list of tags'),
      ops: (json) => [accountDataOp(roomId, TAG_TYPE, json)],
    });
  }
}

/** The content may also have been written as plain account data. */
export function tagsOf(json: string | null): TagList {
  const tags: unknown = json === null ? {} : (parseStoredJson(json) as { tags?: unknown }).tags;
  return typeof tags === 'object' && tags !== null && !Array.isArray(tags) ? (tags as TagList) : {};
}
