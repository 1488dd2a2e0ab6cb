import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CanonicalJsonError, isJsonObject, isUserId, type JsonObject, type JsonValue, sha256, urlSafeUnpaddedBase64 } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { boundedJson } from '../../accounts/bounded-json.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { EduHandlers } from '../../federation/edu-handlers.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { EduOutbox } from '../../federation/outbox/edu-outbox.js';
import { Database } from '../../storage/database.js';
import { ToDeviceInbox } from './to-device-inbox.js';
import { type DeviceMessage, ToDeviceStore } from './to-device.store.js';

/** As for events. */
const MAX_MESSAGE_BYTES = 65_536;
const MAX_TYPE_LENGTH = 255;
/** The specification's limit (server-server-api, m.direct_to_device), in code points. */
const MAX_MESSAGE_ID_LENGTH = 32;
/** Messages of one EDU, so that a transaction of many stays within the limits of its receiver. */
const MAX_PER_EDU = 100;

/** User id → device id, or `*` for all → content. */
export type MessagesByDevice = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Sending {
  readonly sender: string;
  readonly type: string;
  /** At most 32 code points; a second sending of the same id is a copy. */
  readonly messageId: string;
  readonly messages: MessagesByDevice;
}

/** Messages from device to device (client-api "send-to-device messaging"). */
@Injectable()
export class ToDevice implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly directory: AccountDirectory,
    private readonly accountServers: AccountServers,
    private readonly store: ToDeviceStore,
    private readonly inbox: ToDeviceInbox,
    private readonly edus: EduHandlers,
    private readonly outbox: EduOutbox,
    private readonly serverKeys: ServerKeys,
  ) {}

  onModuleInit(): void {
    this.edus.register('m.direct_to_device', (origin, content) => this.#receive(origin, content));
  }

  /**
   * Sends on behalf of an account here, to accounts here and elsewhere. Resolves when everything is stored: what is for other
   * servers is delivered whenever they can be reached.
   *
   * @throws MatrixError 413 M_TOO_LARGE; 400 M_BAD_JSON; then nothing is sent
   */
  async send(sending: Sending): Promise<void> {
    const { messages } = sending;
    for (const devices of Object.values(messages)) {
      for (const content of Object.values(devices)) boundedJson(content, MAX_MESSAGE_BYTES, 'The message');
    }
    await this.#toOthers(sending);
    await this.inbox.put(await this.#localMessages(sending));
  }

  async #receive(origin: string, content: Record<string, unknown>): Promise<void> {
    const { sender, type, message_id: messageId, messages } = content;
    if (!isUserId(sender, { historical: true }) || typeof type !== 'string' || type.length > MAX_TYPE_LENGTH) return;
    if (typeof messageId !== 'string' || messageId.includes('\0') || [...messageId].length > MAX_MESSAGE_ID_LENGTH) return;
    if (!isJsonObject(messages as JsonValue) || !(await this.accountServers.of(sender)).includes(origin)) return;
    const entries = Object.entries(messages as JsonObject).filter(([, devices]) => isJsonObject(devices));
    const sound = Object.fromEntries(entries) as Record<string, JsonObject>;
    await this.inbox.put(await this.#localMessages({ sender, type, messageId, messages: sound }));
  }

  /** A row for each device of an account here that exists. */
  async #localMessages({ sender, type, messageId, messages }: Sending): Promise<DeviceMessage[]> {
    const local = Object.keys(messages).filter((userId) => this.directory.has(userId));
    if (local.length === 0) return [];
    const rows: DeviceMessage[] = [];
    for (const [userId, existing] of await this.store.devices(local)) {
      const forAll = messages[userId]!['*'];
      for (const deviceId of existing) {
        const content = Object.hasOwn(messages[userId]!, deviceId) ? messages[userId]![deviceId] : forAll;
        if (!isJsonObject(content as JsonValue)) continue;
        const json = JSON.stringify({ content, sender, type });
        if (json.length <= 2 * MAX_MESSAGE_BYTES) rows.push({ userId, deviceId, sender, messageId, json });
      }
    }
    return rows;
  }

  /**
   * To all homes of each recipient, under one id, so that it arrives once whichever home he is at. Where this is a home of his, too, its
   * log of the account is not relied on: the device may have just logged in elsewhere, the account be moving in, or away.
   */
  async #toOthers({ sender, type, messageId, messages }: Sending): Promise<void> {
    const byServer = new Map<string, [string, string, unknown][]>();
    await this.accountServers.check(Object.keys(messages));
    for (const [userId, devices] of Object.entries(messages)) {
      for (const server of await this.accountServers.of(userId)) {
        if (server === this.serverKeys.serverName) continue;
        const list = byServer.get(server) ?? [];
        byServer.set(server, list);
        for (const [deviceId, content] of Object.entries(devices)) list.push([userId, deviceId, content]);
      }
    }
    if (byServer.size === 0) return;
    await this.db.transaction(async (tx) => {
      for (const [server, list] of byServer) {
        for (let i = 0; i < list.length; i += MAX_PER_EDU) {
          const content = { sender, type, message_id: messageId, messages: grouped(list.slice(i, i + MAX_PER_EDU)) };
          const edu = { edu_type: 'm.direct_to_device', content };
          await this.outbox.sendReliable(tx, [server], edu).catch(refuseUncanonical);
        }
      }
    });
  }
}

/**
 * The message id of a client's request. It depends on nothing but the request and who makes it, so that the same request at
 * another home, after no answer came from the first, is recognised as a copy.
 *
 * @param session tells apart the transaction ids of one device's sessions; empty where they are unique beyond sessions
 */
export function messageIdOf(sender: string, deviceId: string, session: string, type: string, txnId: string): string {
  return urlSafeUnpaddedBase64(sha256(JSON.stringify([sender, deviceId, session, type, txnId]))).slice(0, MAX_MESSAGE_ID_LENGTH);
}

function grouped(list: readonly (readonly [string, string, unknown])[]): Record<string, Record<string, unknown>> {
  const messages: Record<string, Record<string, unknown>> = {};
  for (const [userId, deviceId, content] of list) (messages[userId] ??= {})[deviceId] = content;
  return messages;
}

function refuseUncanonical(error: unknown): never {
  if (error instanceof CanonicalJsonError) throw MatrixError.badJson(error.message);
  throw error;
}
