import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { boundedCache } from '../storage/bounded-cache.js';
import { AccountDataStore } from './account-data.store.js';
import { AccountDataWriter } from './account-data-writer.js';
import { tagsOf } from './tags.js';

const DIRECT_TYPE = 'm.direct';
const TAG_TYPE = 'm.tag';
const MAX_CACHED = 5_000;

/** By which marks of its own an account sorts its rooms: direct chats and tags. One query each, none while nothing changes. */
@Injectable()
export class RoomMarks implements OnModuleDestroy {
  readonly #directs = boundedCache<string, Promise<ReadonlySet<string>>>(MAX_CACHED);
  readonly #tags = boundedCache<string, Promise<ReadonlyMap<string, ReadonlySet<string>>>>(MAX_CACHED);
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: AccountDataStore,
    writer: AccountDataWriter,
  ) {
    this.#unsubscribe = writer.onChanged(({ userId, type }) => {
      if (type === DIRECT_TYPE) this.#directs.delete(userId);
      if (type === TAG_TYPE) this.#tags.delete(userId);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** Ids of the rooms that `m.direct` names (Client-Server, "Direct messaging"). */
  directs(userId: string): Promise<ReadonlySet<string>> {
    return held(this.#directs, userId, async () => roomsIn((await this.store.get(userId, '', DIRECT_TYPE)) ?? null));
  }

  /** By room id: the names of its tags. */
  tags(userId: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    return held(this.#tags, userId, async () => {
      const entries = await this.store.ofType(userId, TAG_TYPE);
      return new Map(entries.map(({ roomId, json }) => [roomId, new Set(Object.keys(tagsOf(json)))]));
    });
  }
}

function held<T extends {}>(cache: ReturnType<typeof boundedCache<string, Promise<T>>>, key: string, read: () => Promise<T>): Promise<T> {
  let value = cache.get(key);
  if (!value) {
    const asked = read();
    value = asked;
    cache.set(key, asked);
    asked.catch(() => {
      if (cache.peek(key) === asked) cache.delete(key);
    });
  }
  return value;
}

/** Clients write the list, so its shape is anybody's guess. */
function roomsIn(json: string | null): ReadonlySet<string> {
  const lists: unknown[] = json === null ? [] : Object.values(parseStoredJson(json) as Record<string, unknown>);
  return new Set(lists.flatMap((list) => (Array.isArray(list) ? list.filter((id) => typeof id === 'string') : [])));
}
