import { isHomeRecordOf, isNewerHomeRecord, recordSha256, toBase64Url } from '#e2e';
import type { HomeRecord } from '#federation';
import type { Clock } from '../clock.js';
import type { RoutingStorage } from '../storage.js';
import { readPhonebookData } from './phonebook-data.js';
import type { PhonebookAccount, PhonebookConversation, PhonebookData, PhonebookHome } from './phonebook-data.js';

const storageKey = 'io.partyline.phonebook';
const maxAccounts = 32;
const maxConversations = 5_000;
const maxReplicas = 100;

export interface NewAccount {
  userId: string;
  deviceId: string;
  /** 32 random bytes. */
  deviceSecret: Uint8Array;
  homes: PhonebookHome[];
  record?: HomeRecord;
}

/**
 * What a client knows without any server: its accounts, their homes, its conversations and where those are replicated
 * (protocol §1). Every change is written to storage before the promise resolves.
 */
export class Phonebook {
  private saved: Promise<void> = Promise.resolve();

  private constructor(
    private readonly storage: RoutingStorage,
    private readonly clock: Clock,
    private data: PhonebookData,
  ) {}

  static async open(storage: RoutingStorage, clock: Clock): Promise<Phonebook> {
    return new Phonebook(storage, clock, readPhonebookData(await storage.get(storageKey)));
  }

  accounts(): readonly PhonebookAccount[] {
    return this.data.accounts;
  }

  /** @throws Error when there is no such account */
  account(userId: string): PhonebookAccount {
    const account = this.data.accounts.find((entry) => entry.userId === userId);
    if (!account) throw new Error(`no account ${userId} in the phonebook`);
    return account;
  }

  home(userId: string, serverName: string): PhonebookHome | undefined {
    return this.account(userId).homes.find((home) => home.serverName === serverName);
  }

  /** Adds an account, or replaces the entry of the same user. */
  async addAccount(account: NewAccount): Promise<void> {
    const others = this.data.accounts.filter((entry) => entry.userId !== account.userId);
    if (others.length >= maxAccounts) throw new Error(`a phonebook holds ${maxAccounts} accounts`);
    if (account.deviceSecret.length !== 32) throw new Error('the device secret has 32 bytes');
    const entry: PhonebookAccount = {
      userId: account.userId,
      deviceId: account.deviceId,
      deviceSecret: toBase64Url(account.deviceSecret),
      homes: account.homes,
    };
    this.data.accounts = [...others, entry];
    await (account.record ? this.takeRecord(account.userId, account.record) : this.save());
  }

  async removeAccount(userId: string): Promise<void> {
    this.data.accounts = this.data.accounts.filter((entry) => entry.userId !== userId);
    this.data.conversations = this.data.conversations.filter((entry) => entry.userId !== userId);
    await this.save();
  }

  /** Notes what was learned about a home; a member set to undefined is forgotten. */
  async noteHome(userId: string, serverName: string, known: Partial<Omit<PhonebookHome, 'serverName'>>): Promise<void> {
    this.change(userId, (account) => ({
      ...account,
      homes: account.homes.map((home) => (home.serverName === serverName ? { ...home, ...known } : home)),
    }));
    await this.save();
  }

  /**
   * Takes a home record that some server handed out, if it proves itself and is newer than the one that is known. Homes
   * that it drops are forgotten with their access tokens.
   *
   * @param madeFrom the record that it was made from, where that is not the known one
   * @returns whether it was taken
   */
  async takeRecord(userId: string, record: unknown, madeFrom?: HomeRecord): Promise<boolean> {
    const { record: known, former } = this.account(userId);
    if (!isHomeRecordOf(userId, record) || (known && !isNewerHomeRecord(known, record))) return false;
    const before = [madeFrom, known, former].find((one) => one && recordSha256(one) === record.prev_sha256);
    this.change(userId, ({ former: _former, ...account }) => ({
      ...account,
      record,
      ...(before && { former: before }),
      homes: record.homes.map((home) => ({
        ...account.homes.find((entry) => entry.serverName === home.server_name),
        serverName: home.server_name,
        priority: home.priority,
      })),
    }));
    await this.save();
    return true;
  }

  /** Notes the person's choice of a home for the account, or for one conversation; null goes back to automatic. */
  async pickHome(userId: string, serverName: string | null, roomId?: string): Promise<void> {
    const pickedHome = serverName ?? undefined;
    if (roomId) this.putConversation({ ...this.conversationOrNew(userId, roomId), pickedHome });
    else this.change(userId, (account) => ({ ...account, pickedHome }));
    await this.save();
  }

  conversation(userId: string, roomId: string): PhonebookConversation | undefined {
    return this.data.conversations.find((entry) => entry.userId === userId && entry.roomId === roomId);
  }

  conversations(userId: string): readonly PhonebookConversation[] {
    return this.data.conversations.filter((entry) => entry.userId === userId);
  }

  /** Notes which servers hold a room. */
  async noteReplicas(userId: string, roomId: string, replicas: readonly string[]): Promise<void> {
    this.putConversation({ ...this.conversationOrNew(userId, roomId), replicas: replicas.slice(0, maxReplicas) });
    await this.save();
  }

  private conversationOrNew(userId: string, roomId: string): PhonebookConversation {
    return this.conversation(userId, roomId) ?? { userId, roomId, replicas: [], usedAt: 0 };
  }

  private putConversation(conversation: PhonebookConversation): void {
    const { userId, roomId } = conversation;
    const others = this.data.conversations.filter((entry) => entry.userId !== userId || entry.roomId !== roomId);
    others.push({ ...conversation, usedAt: this.clock.now() });
    // The newest are at the end.
    this.data.conversations = others.slice(-maxConversations);
  }

  private change(userId: string, change: (account: PhonebookAccount) => PhonebookAccount): void {
    this.account(userId);
    this.data.accounts = this.data.accounts.map((entry) => (entry.userId === userId ? change(entry) : entry));
  }

  /** One write after the other, each with the newest data, so that an older one can never win. */
  private save(): Promise<void> {
    const write = this.saved.then(() => this.storage.set(storageKey, JSON.stringify(this.data)));
    this.saved = write.catch(() => undefined);
    return write;
  }
}
