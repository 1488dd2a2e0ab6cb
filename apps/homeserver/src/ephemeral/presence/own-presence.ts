import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AccountDataWriter } from '../../account-data/account-data-writer.js';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Bus } from '../../bus/bus.js';
import { Config } from '../../config/config.js';
import { Clock } from '../../observability/clock.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { PeopleInRooms } from './people-in-rooms.js';
import { PRESENCE_TYPE } from './people-in-rooms.store.js';
import { looksSame, presenceNames, type PresenceName, type PresenceState } from './presence-state.js';
import { HERE, Presences } from './presences.js';

/** How long a device counts as being there after its last sync. */
const LINGER_MS = 30_000;
/** Who is online and does nothing is unavailable after so long (Client-Server, "Idle timeout"). */
const IDLE_MS = 5 * 60_000;
/** How long somebody counts as being active (`currently_active`) after he did something. */
const ACTIVE_MS = 60_000;
const LOOK_EVERY_MS = 5_000;

interface Device {
  presence: Exclude<PresenceName, 'offline'>;
  /** Milliseconds of the steady clock. */
  until: number;
}

interface Account {
  readonly devices: Map<string, Device>;
  activeAt: number | null;
  statusMsg: string | null;
}

/**
 * Presence of the accounts here, from what their devices do: they sync, set it, or send something. Coming and going changes a few
 * numbers in memory; every few seconds those who are there are looked at, who may have gone or fallen idle.
 */
@Injectable()
export class OwnPresence implements OnModuleInit, OnModuleDestroy {
  readonly #accounts = new Map<string, Account>();
  /** Accounts with a device that is there. */
  readonly #there = new Set<string>();
  #unsubscribe: readonly (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly config: Config,
    private readonly presences: Presences,
    private readonly people: PeopleInRooms,
    private readonly accounts: AccountDirectory,
    private readonly accountData: AccountDataWriter,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    if (!this.config.presence) return;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
    this.#unsubscribe = [
      this.accountData.onChanged(({ userId, type, roomId }) => {
        if (type === PRESENCE_TYPE && roomId === '' && this.people.has(userId)) void this.people.reloadHidden(userId).then(() => this.#tell(userId), () => undefined);
      }),
      this.accounts.onRemoved((userId) => this.#forget(userId)),
      this.bus.subscribe((message) => {
        if (message.kind !== 'room') return;
        for (const { event, isOwn } of message.events) if (isOwn) this.active(event.pdu.sender);
      }),
    ];
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /**
   * A device syncs. Called for each request, so it does next to nothing.
   *
   * @param presence `set_presence`; `offline` changes nothing
   * @param waitMs how long it will wait for the answer
   */
  seen({ userId, deviceId }: { readonly userId: string; readonly deviceId: string | null }, presence: PresenceName = 'online', waitMs = 0): void {
    if (!this.config.presence) return;
    const isKnown = this.people.has(userId);
    if (presence !== 'offline') {
      const account = this.#account(userId);
      const device = account.devices.get(deviceId ?? '');
      const until = this.clock.steady() + waitMs + LINGER_MS;
      if (device && isKnown && device.presence === presence) device.until = until;
      else this.#enter(userId, account, deviceId, { presence, until });
    }
    if (isKnown) this.presences.catchUp(userId);
    else this.#meet(userId);
  }

  /** A client sets it. */
  async set({ userId, deviceId }: { readonly userId: string; readonly deviceId: string | null }, presence: PresenceName, statusMsg: string | null): Promise<void> {
    if (!this.config.presence) return;
    const account = this.#account(userId);
    account.statusMsg = statusMsg;
    if (presence === 'online') account.activeAt = this.clock.steady();
    if (presence === 'offline') account.devices.delete(deviceId ?? '');
    else this.#enter(userId, account, deviceId, { presence, until: this.clock.steady() + LINGER_MS });
    await this.presences.ready([userId]);
    this.#tell(userId);
  }

  /** Somebody did something. */
  active(userId: string): void {
    const account = this.#accounts.get(userId);
    if (!account || !this.#there.has(userId)) return;
    account.activeAt = this.clock.steady();
    if (!this.presences.ownOf(userId).isActive) this.#tell(userId);
  }

  /** Looks who has gone or fallen idle. */
  look(): void {
    const now = this.clock.steady();
    for (const userId of this.#there) {
      const { devices } = this.#accounts.get(userId)!;
      for (const [deviceId, device] of devices) if (device.until <= now) devices.delete(deviceId);
      if (devices.size === 0) this.#there.delete(userId);
      const [before, after] = [this.presences.ownOf(userId), this.#stateOf(this.#accounts.get(userId)!)];
      if (before.lastActiveAt !== after.lastActiveAt || !looksSame(before, after)) this.#tell(userId);
    }
  }

  #enter(userId: string, account: Account, deviceId: string | null, device: Device): void {
    // To come is to do something, too.
    if (device.presence === 'online' && ![...account.devices.values()].some((other) => other.presence === 'online')) account.activeAt = this.clock.steady();
    account.devices.set(deviceId ?? '', device);
    this.#there.add(userId);
    this.#tell(userId);
  }

  /** What it missed while nobody looked is found by the sync, which has to look then. */
  #meet(userId: string): void {
    this.bus.publish({ kind: 'stream', stream: 'presence', pos: this.positions.current('presence'), users: [userId] });
    this.people.load([userId]).then(() => this.#tell(userId), () => undefined);
  }

  #tell(userId: string): void {
    const account = this.#accounts.get(userId);
    if (!account || !this.people.has(userId)) return;
    const state = this.people.isHidden(userId) ? null : this.#stateOf(account);
    if (state || this.presences.isKnown(userId)) this.presences.put(userId, HERE, state);
  }

  #stateOf({ devices, activeAt, statusMsg }: Account): PresenceState {
    const now = this.clock.steady();
    let presence: PresenceName = 'offline';
    for (const device of devices.values()) if (presenceNames.indexOf(device.presence) < presenceNames.indexOf(presence)) presence = device.presence;
    const idleMs = activeAt === null ? Infinity : now - activeAt;
    if (presence === 'online' && idleMs >= IDLE_MS) presence = 'unavailable';
    return { presence, lastActiveAt: activeAt, isActive: presence === 'online' && idleMs < ACTIVE_MS, statusMsg };
  }

  #account(userId: string): Account {
    let account = this.#accounts.get(userId);
    if (!account) this.#accounts.set(userId, (account = { devices: new Map(), activeAt: null, statusMsg: null }));
    return account;
  }

  #forget(userId: string): void {
    this.#accounts.delete(userId);
    this.#there.delete(userId);
  }
}
