import { Injectable, type OnModuleInit } from '@nestjs/common';
import { In, Not } from 'typeorm';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { type AccountChange, AccountOps } from '../../accounts/account-ops.js';
import { Database, type Reads, type Transaction } from '../../storage/database.js';
import { type PusherContent, type PusherName, pusherChange, pusherRemoval } from './pusher-content.js';
import { Pusher } from './pusher.entity.js';
import { PushersStore } from './pushers.store.js';

/** Of one account; the oldest give way. */
const MAX_PUSHERS = 100;
/** Accounts of this server with the same app and push key. */
const MAX_SHARED = 100;

/** Where the people of this server are notified (client-server/pusher.yaml), at all homes of an account. */
@Injectable()
export class Pushers implements OnModuleInit {
  readonly #pushers: Reads<Pusher>;
  /** Accounts with a pusher: each commit of a room asks. */
  readonly #notified = new Set<string>();
  /** Counts pushers that were set: what was read before one says nothing after it. */
  #sets = 0;

  constructor(
    private readonly db: Database,
    private readonly store: PushersStore,
    private readonly ops: AccountOps,
    private readonly accounts: AccountDirectory,
  ) {
    this.#pushers = db.repository(Pusher);
  }

  async onModuleInit(): Promise<void> {
    for (const userId of await this.store.accounts()) this.#notified.add(userId);
    this.accounts.onRemoved((userId) => this.#notified.delete(userId));
  }

  /** Whether an account has a pusher. */
  isNotified(userId: string): boolean {
    return this.#notified.has(userId);
  }

  /** Accounts with pushers. */
  get count(): number {
    return this.#notified.size;
  }

  ofUser(userId: string): Promise<Pusher[]> {
    return this.#pushers.find({ where: { userId }, order: { setTs: 'ASC', appId: 'ASC', pushkey: 'ASC' } });
  }

  /** Those of several accounts that are in use. */
  ofUsers(userIds: readonly string[]): Promise<Pusher[]> {
    return this.#pushers.findBy({ userId: In([...userIds]), isActive: true });
  }

  async get(userId: string, { appId, pushkey }: PusherName): Promise<Pusher | undefined> {
    return (await this.#pushers.findOneBy({ userId, appId, pushkey })) ?? undefined;
  }

  /**
   * Sets a pusher.
   *
   * @param isShared whether other accounts of this server keep one of the same app and push key
   * @param ack of Web Push: what the browser confirms it by
   */
  async set(userId: string, content: PusherContent, isShared: boolean, ack: { token: string; until: number } | null = null): Promise<void> {
    await this.db.transaction(async (tx) => {
      const { appId, pushkey } = content;
      const changes = new Map<string, AccountChange[]>();
      const others = isShared ? [] : await tx.repository(Pusher).find({ where: { appId, pushkey, userId: Not(userId) }, take: MAX_SHARED });
      for (const other of others) {
        await this.store.remove(tx, other.userId, [other]);
        changes.set(other.userId, [...(changes.get(other.userId) ?? []), pusherRemoval(other)]);
      }
      await this.#save(tx, userId, content, ack);
      const surplus = (await this.#surplus(tx, userId)).filter((one) => one.appId !== appId || one.pushkey !== pushkey);
      if (surplus.length > 0) await this.store.remove(tx, userId, surplus);
      changes.set(userId, [pusherChange(content), ...surplus.map(pusherRemoval)]);
      await this.ops.recordAll(tx, changes);
      if (others.length > 0) tx.afterCommit(() => void this.#recount(others.map((other) => other.userId)).catch(() => undefined));
    });
  }

  /** What another home tells of a pusher. The bound is kept here, too: each event of a room is noted for each of an account's pushers. */
  async setTold(userId: string, content: PusherContent): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.#save(tx, userId, content, null);
      const surplus = await this.#surplus(tx, userId);
      if (surplus.length > 0) await this.store.remove(tx, userId, surplus);
    });
  }

  /** The same at all homes, in whatever order they hear of them. */
  #surplus(tx: Transaction, userId: string): Promise<Pusher[]> {
    return tx.repository(Pusher).find({ where: { userId }, order: { setTs: 'DESC', appId: 'ASC', pushkey: 'ASC' }, skip: MAX_PUSHERS });
  }

  /** Writes a pusher, in place of the one of the same name. */
  async #save(tx: Transaction, userId: string, content: PusherContent, ack: { token: string; until: number } | null): Promise<void> {
    const pushers = tx.repository(Pusher);
    const row = { ...content, ackToken: ack?.token ?? null, ackUntil: ack?.until ?? null };
    const { appId, pushkey, ...rest } = row;
    if (!(await pushers.update({ userId, appId, pushkey }, { ...rest, attempts: 0 })).affected) await pushers.insert({ ...row, userId, attempts: 0, dueTs: null });
    tx.afterCommit(() => {
      this.#sets++;
      this.#notified.add(userId);
    });
  }

  /** Takes pushers away, with what waits for them; what is not there is passed over. */
  async remove(userId: string, names: readonly PusherName[]): Promise<void> {
    if (names.length === 0) return;
    await this.db.transaction(async (tx) => {
      await this.store.remove(tx, userId, names);
      await this.ops.record(tx, userId, names.map(pusherRemoval));
    });
    await this.#recount([userId]);
  }

  /** The same for what another home has taken away. */
  async removeTold(userId: string, name: PusherName): Promise<void> {
    await this.db.transaction((tx) => this.store.remove(tx, userId, [name]));
    await this.#recount([userId]);
  }

  /** Takes away what goes with these devices. */
  async removeOfDevices(userId: string, deviceIds: readonly string[]): Promise<void> {
    if (this.#notified.has(userId)) await this.remove(userId, await this.#pushers.findBy({ userId, deviceId: In([...deviceIds]) }));
  }

  async #recount(userIds: readonly string[]): Promise<void> {
    for (const userId of userIds) {
      const sets = this.#sets;
      if (!(await this.#pushers.existsBy({ userId })) && sets === this.#sets) this.#notified.delete(userId);
    }
  }
}
