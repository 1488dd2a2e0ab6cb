import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { boundedJson } from '../accounts/bounded-json.js';
import { MatrixError } from '../errors/matrix-error.js';
import { type AccountDataEntry, AccountDataStore } from './account-data.store.js';
import { AccountDataWriter } from './account-data-writer.js';
import { INVITE_PERMISSION_TYPES, InvitePermissions } from './invite-permissions.js';
import { PUSH_RULES_TYPE, pushRulesContent } from './push-rules/push-rules-content.js';
import { boundedCache } from '../storage/bounded-cache.js';

/** Bytes of the content of one entry: lists of direct chats and image packs grow beyond an event's 64 KiB. */
const MAX_CONTENT_BYTES = 512 * 1024;
const MAX_TYPE_BYTES = 255;
const IGNORED_USERS_TYPE = 'm.ignored_user_list';
const MAX_CACHED = 20_000;

/** Types that have endpoints of their own (client-api "client config"). */
const SERVER_CONTROLLED = new Set([PUSH_RULES_TYPE, 'm.fully_read']);

/** An entry as `/sync` shows it. */
export interface AccountDataEvent {
  readonly type: string;
  /** JSON text of the content. */
  readonly content: string;
}

/** Account data of the accounts on this server, for clients. */
@Injectable()
export class AccountData implements OnModuleDestroy {
  readonly #ignored = boundedCache<string, Promise<ReadonlySet<string>>>(MAX_CACHED);
  readonly #invitePermissions = boundedCache<string, Promise<InvitePermissions>>(MAX_CACHED);
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: AccountDataStore,
    private readonly writer: AccountDataWriter,
  ) {
    this.#unsubscribe = writer.onChanged(({ userId, type }) => {
      if (type === IGNORED_USERS_TYPE) this.#ignored.delete(userId);
      if ((INVITE_PERMISSION_TYPES as readonly string[]).includes(type)) this.#invitePermissions.delete(userId);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** Content of an entry as JSON text; undefined when it is not set. */
  async get(userId: string, roomId: string, type: string): Promise<string | undefined> {
    const json = await this.store.get(userId, roomId, type);
    return isPushRules(roomId, type) ? pushRulesContent(userId, json ?? null) : json;
  }

  /**
   * Sets an entry on behalf of a client.
   *
   * @param roomId empty for data of the whole account
   * @param content any JSON object
   * @throws MatrixError 405 M_BAD_JSON for types that the server controls; 413 M_TOO_LARGE
   */
  async put(userId: string, roomId: string, type: string, content: unknown): Promise<void> {
    if (SERVER_CONTROLLED.has(type)) throw new MatrixError(405, 'M_BAD_JSON', `${type} cannot be set in this way`);
    if (Buffer.byteLength(type) > MAX_TYPE_BYTES) throw MatrixError.invalidParam('The type is too long');
    await this.writer.set(userId, roomId, type, boundedJson(content, MAX_CONTENT_BYTES, 'The content'));
  }

  /**
   * Data of the whole account that changed after a position; with `from` null everything that is set. What changed
   * beyond `to` is there too and comes again after it: only the newest content of an entry is kept.
   */
  async global(userId: string, from: number | null, _to: number): Promise<AccountDataEvent[]> {
    const entries = await this.store.global(userId, from);
    const events = entries.map(event);
    // The default rules apply to who never changed one.
    if (from === null && !entries.some(({ type }) => type === PUSH_RULES_TYPE)) {
      events.push({ type: PUSH_RULES_TYPE, content: pushRulesContent(userId, null) });
    }
    return events;
  }

  /** The same of rooms, by room id; with `from` null of the named rooms, else of all rooms. */
  async rooms(
    userId: string, from: number | null, _to: number, roomIds: readonly string[],
  ): Promise<Map<string, AccountDataEvent[]>> {
    const rooms = new Map<string, AccountDataEvent[]>();
    for (const entry of await this.store.rooms(userId, from, roomIds)) {
      const events = rooms.get(entry.roomId);
      if (events) events.push(event(entry));
      else rooms.set(entry.roomId, [event(entry)]);
    }
    return rooms;
  }

  /** Users that the account ignores. */
  ignored(userId: string): Promise<ReadonlySet<string>> {
    let ignored = this.#ignored.get(userId);
    if (!ignored) {
      ignored = this.store.get(userId, '', IGNORED_USERS_TYPE).then((json) => ignoredUsers(json));
      this.#ignored.set(userId, ignored);
      ignored.catch(() => this.#ignored.delete(userId));
    }
    return ignored;
  }

  /** Whose invitations are shown to nobody: of users that the account ignores, or whose invitations it does. */
  async ignoredInviters(userId: string): Promise<(inviter: string) => boolean> {
    const [ignored, permissions] = await Promise.all([this.ignored(userId), this.invitePermissions(userId)]);
    return (inviter) => ignored.has(inviter) || permissions.of(inviter) === 'ignore';
  }

  /** From whom the account takes invitations. */
  invitePermissions(userId: string): Promise<InvitePermissions> {
    let permissions = this.#invitePermissions.get(userId);
    if (!permissions) {
      permissions = Promise.all(INVITE_PERMISSION_TYPES.map((type) => this.store.get(userId, '', type)))
        .then((texts) => new InvitePermissions(texts.filter((text) => text !== undefined)));
      this.#invitePermissions.set(userId, permissions);
      permissions.catch(() => this.#invitePermissions.delete(userId));
    }
    return permissions;
  }
}

function event(entry: AccountDataEntry): AccountDataEvent {
  const { userId, roomId, type, json } = entry;
  return { type, content: isPushRules(roomId, type) ? pushRulesContent(userId, json) : json };
}

function isPushRules(roomId: string, type: string): boolean {
  return roomId === '' && type === PUSH_RULES_TYPE;
}

/** Clients write the list, so its shape is anybody's guess. */
function ignoredUsers(json: string | undefined): ReadonlySet<string> {
  const users: unknown = json === undefined ? undefined : (parseStoredJson(json) as { ignored_users?: unknown }).ignored_users;
  return new Set(typeof users === 'object' && users !== null && !Array.isArray(users) ? Object.keys(users) : []);
}
