import { randomBytes } from 'node:crypto';
import { AccountRouter, Phonebook, type Clock, type RoutingEvent, type RoutingStorage } from '#routing';
import type { OwnedAccount, ServerPlace } from './account.js';

/** What the app believes to be its homeserver. */
export const appBaseUrl = 'https://partyline.invalid';

export interface Routed {
  readonly router: AccountRouter;
  readonly phonebook: Phonebook;
}

/** The client side of an account with several homes, as an app would have it; it forgets everything when the process ends. */
export async function routed(
  account: OwnedAccount,
  home: ServerPlace,
  options: { replicas?: number; onEvent?(event: RoutingEvent): void } = {},
): Promise<Routed> {
  const storage = memoryStorage();
  const phonebook = await Phonebook.open(storage, wallClock);
  const { userId, deviceId, accessToken, record } = account;
  const homes = [{ serverName: home.serverName, priority: 0, baseUrl: home.url, accessToken }];
  await phonebook.addAccount({ userId, deviceId, deviceSecret: randomBytes(32), homes, record });
  const router = new AccountRouter({
    fetch: globalThis.fetch,
    clock: wallClock,
    storage,
    phonebook,
    userId,
    random: (bytes) => randomBytes(bytes),
    sign: (text) => account.key.sign(text),
    baseUrl: appBaseUrl,
    ...options,
  });
  return { router, phonebook };
}

/** Tells the phonebook of a newer record, and where the homes are that it adds. */
export async function takeRecord({ phonebook }: Routed, record: OwnedAccount['record'], places: readonly ServerPlace[]): Promise<void> {
  await phonebook.takeRecord(record.user_id, record);
  for (const { serverName, url } of places) await phonebook.noteHome(record.user_id, serverName, { baseUrl: url });
}

const wallClock: Clock = {
  now: () => Date.now(),
  timer: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Forgets everything when the process ends. */
export function memoryStorage(): RoutingStorage {
  const values = new Map<string, string>();
  return {
    get: (key) => Promise.resolve(values.get(key) ?? null),
    set: (key, value) => {
      if (value === null) values.delete(key);
      else values.set(key, value);
      return Promise.resolve();
    },
  };
}
