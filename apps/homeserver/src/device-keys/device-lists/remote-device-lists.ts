import { Injectable } from '@nestjs/common';
import { AccountServers } from '../../accounts/account-servers.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Log } from '../../observability/log.js';
import { DeviceServerSlots, MAX_SERVERS_PER_REQUEST } from '../device-server-slots.js';
import { Database, type Transaction } from '../../storage/database.js';
import { DeviceKeyStore } from '../keys/device-key.store.js';
import { publicKeyOf, type UserKeys, withDisplayName } from '../keys/key-object.js';
import { readDeviceList, readQueriedKeys, type RemoteKeys } from './read-remote-keys.js';
import { type RemoteList, RemoteDeviceListStore } from './remote-device-list.store.js';

/** Users whose lists are new here and are fetched one by one. */
const MAX_SINGLE = 8;
/** Lists that are renewed at a time; the others are fetched when somebody asks for them. */
const MAX_RENEWALS = 100;
const RENEWAL_MS = 15_000;

export interface RemoteAnswer {
  /** Users that are missing are unknown to their server, or it did not answer. */
  readonly users: Map<string, UserKeys>;
  /** By server that did not answer. */
  readonly failures: Record<string, object>;
}

interface Fetched extends RemoteKeys {
  readonly origin: string;
}

/** Who asks, and how long each server, with the wait for its turn, may take. */
interface Patience {
  readonly viewer: string | null;
  readonly timeoutMs: number;
}

type Answers = ReadonlyMap<string, Fetched | Error>;

/**
 * Device lists of users of other servers. Those of users who share a room with somebody here are kept, because their servers
 * tell of every change; others are asked for each time.
 */
@Injectable()
export class RemoteDeviceLists {
  /** Users whose list is on its way, and whether an update came meanwhile, so that the answer may be too old. */
  readonly #fetching = new Map<string, { promise: Promise<Fetched | Error>; isOutdated: boolean }>();

  readonly #renewing = new Set<string>();

  constructor(
    private readonly db: Database,
    private readonly store: RemoteDeviceListStore,
    private readonly keys: DeviceKeyStore,
    private readonly accountServers: AccountServers,
    private readonly client: FederationClient,
    private readonly slots: DeviceServerSlots,
    private readonly serverKeys: ServerKeys,
    private readonly log: Log,
  ) {}

  /**
   * @param viewer account whose signatures on these users' master keys are added
   * @param timeoutMs for each server, with the wait for its turn
   */
  async keysOf(userIds: readonly string[], viewer: string | null, timeoutMs: number): Promise<RemoteAnswer> {
    const shared = await this.store.shared(userIds);
    const lists = await this.store.lists([...shared]);
    const fresh = new Set([...lists.values()].filter((list) => !list.isStale).map((list) => list.userId));
    const wanted = userIds.filter((userId) => !fresh.has(userId));
    const { fetched, failures } = await this.#fetchAll(wanted, lists, shared, { viewer, timeoutMs });
    // A stale list is better than none: while its server is down, people can still be written to.
    const cached = [...lists.keys()].filter((userId) => !fetched.has(userId));
    const users = new Map<string, UserKeys>();
    for (const [userId, devices] of cached.length === 0 ? [] : await this.store.devices(cached)) users.set(userId, { devices });
    for (const [userId, answer] of fetched) users.set(userId, toUserKeys(answer));
    await this.#addCrossSigning(users, new Set(cached), viewer);
    return { users, failures };
  }

  /** Fetches the list of a user who is shared with in the background, if what is kept of it is missing or old. */
  renew(userId: string): void {
    if (this.#renewing.size >= MAX_RENEWALS || this.#renewing.has(userId)) return;
    this.#renewing.add(userId);
    this.keysOf([userId], null, RENEWAL_MS)
      .catch((error: unknown) => this.log.debug('a device list was not renewed', { userId, reason: String(error) }))
      .finally(() => this.#renewing.delete(userId));
  }

  /** Tells that an update about the user arrived, so that an answer that is on its way may not hold it. */
  updateArrived(userId: string): void {
    const fetching = this.#fetching.get(userId);
    if (fetching) fetching.isOutdated = true;
  }

  async #addCrossSigning(users: Map<string, UserKeys>, cached: ReadonlySet<string>, viewer: string | null): Promise<void> {
    const known = await this.keys.crossSigningOf([...cached], viewer);
    for (const [userId, { master, selfSigning }] of known) {
      const keys = users.get(userId);
      if (keys) users.set(userId, { ...keys, master, selfSigning });
    }
    if (viewer === null) return;
    const fetched = [...users.keys()].filter((userId) => !cached.has(userId));
    const signed = await this.keys.withSignatures(fetched.map((userId) => [userId, users.get(userId)!]), viewer);
    for (const [userId, keys] of signed) users.set(userId, keys);
  }

  async #fetchAll(
    userIds: readonly string[], lists: ReadonlyMap<string, RemoteList>, shared: ReadonlySet<string>, patience: Patience,
  ): Promise<{ fetched: Map<string, Fetched>; failures: Record<string, object> }> {
    const servers = await this.#servers(userIds);
    const pending = userIds.map((userId) => [userId, this.#fetching.get(userId)?.promise] as const);
    const fresh = pending.filter(([, promise]) => !promise).map(([userId]) => userId);
    // A list that is kept is asked for with its number, so that the next update fits. Of a room full of people this would be
    // too many requests: then the first update of each has the list asked for once more.
    const kept = fresh.filter((userId) => shared.has(userId));
    const single = new Set(kept.length <= MAX_SINGLE ? kept : kept.filter((userId) => lists.has(userId)));
    const requests = [
      ...this.#fetchOneByOne([...single], servers, patience),
      ...this.#fetchInBulk(fresh.filter((userId) => !single.has(userId)), servers, patience),
    ];
    const started = requests.flatMap(([users, request]) => this.#track(users, request, shared));

    const fetched = new Map<string, Fetched>();
    const failures: Record<string, object> = {};
    for (const [userId, promise] of [...pending, ...started]) {
      const answer = await promise;
      if (answer instanceof ServersFailed) Object.assign(failures, answer.failures);
      else if (answer && !(answer instanceof Error)) fetched.set(userId, answer);
    }
    return { fetched, failures };
  }

  /** Lets concurrent questions about the same users share one request, and keeps the answers about those who are shared with. */
  #track(
    userIds: readonly string[], request: Promise<Answers>, shared: ReadonlySet<string>,
  ): (readonly [string, Promise<Fetched | Error>])[] {
    return userIds.map((userId) => {
      const promise = request
        .then(async (answers) => {
          const answer = answers.get(userId) ?? new Error('no answer');
          // The account may have dropped the server while it answered.
          if (!(answer instanceof Error) && !(await this.accountServers.of(userId)).includes(answer.origin)) return new Error('no home any more');
          if (!(answer instanceof Error) && shared.has(userId)) await this.#save(userId, answer);
          return answer;
        })
        .catch((error: unknown) => {
          this.log.error('device list could not be kept', error, { userId });
          return new Error('not kept');
        })
        .finally(() => this.#fetching.delete(userId));
      this.#fetching.set(userId, { promise, isOutdated: false });
      return [userId, promise] as const;
    });
  }

  #fetchOneByOne(
    userIds: readonly string[], servers: ReadonlyMap<string, readonly string[]>, patience: Patience,
  ): [string[], Promise<Answers>][] {
    return userIds.map((userId) => [[userId], this.#fetchOne(userId, servers.get(userId)!, patience).then((one) => new Map([[userId, one]]))]);
  }

  /** One request for each combination of homes that the users have: mostly one per server. */
  #fetchInBulk(
    userIds: readonly string[], servers: ReadonlyMap<string, readonly string[]>, patience: Patience,
  ): [string[], Promise<Answers>][] {
    const groups = Map.groupBy(userIds, (userId) => servers.get(userId)!.join(' '));
    return [...groups.values()].map((users, i) => {
      const asked = servers.get(users[0]!)!;
      if (i < MAX_SERVERS_PER_REQUEST) return [users, this.#query(asked, users, patience)];
      const tooMany = new ServersFailed({ [asked[0] ?? '']: { errcode: 'M_LIMIT_EXCEEDED', error: 'Too many servers in one request' } });
      return [users, Promise.resolve(new Map(users.map((userId) => [userId, tooMany])))];
    });
  }

  #fetchOne(userId: string, servers: readonly string[], patience: Patience): Promise<Fetched | Error> {
    const path = federationPath`/_matrix/federation/v1/user/devices/${userId}`;
    return this.#firstAnswer(servers, patience, async (destination, timeoutMs) => {
      const body = await this.client.request({ destination, method: 'GET', path, timeoutMs });
      return { ...readDeviceList(body, userId), origin: destination };
    });
  }

  async #query(servers: readonly string[], users: readonly string[], patience: Patience): Promise<Answers> {
    const answer = await this.#firstAnswer(servers, patience, async (destination, timeoutMs) => {
      const body = await this.client.request({
        destination,
        method: 'POST',
        path: '/_matrix/federation/v1/user/keys/query',
        body: { device_keys: Object.fromEntries(users.map((userId) => [userId, []])) },
        timeoutMs,
      });
      return new Map(users.map((userId) => [userId, { ...readQueriedKeys(body, userId), origin: destination }]));
    });
    return answer instanceof Error ? new Map(users.map((userId) => [userId, answer])) : answer;
  }

  async #firstAnswer<T>(
    servers: readonly string[], { viewer, timeoutMs }: Patience, ask: (destination: string, timeoutMs: number) => Promise<T>,
  ): Promise<T | Error> {
    const failures: Record<string, object> = {};
    for (const destination of servers) {
      try {
        return await this.slots.run(viewer, destination, timeoutMs, (leftMs) => ask(destination, leftMs));
      } catch (error) {
        // The server does not know the user: that is an answer, and no failure.
        if (error instanceof RemoteError && error.remoteStatus === 404) return new Error('unknown user');
        failures[destination] = { errcode: 'M_UNKNOWN', error: error instanceof Error ? error.message : String(error) };
      }
    }
    return new ServersFailed(failures);
  }

  /** None while nobody stands by the record that names them: what is known of the account's devices is all that counts. */
  async #servers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const all = await this.accountServers.ofAll(userIds);
    const counting = async ([userId, servers]: readonly [string, readonly string[]]): Promise<readonly [string, readonly string[]]> =>
      [userId, (await this.accountServers.isUnconfirmed(userId)) ? [] : servers.filter((server) => server !== this.serverKeys.serverName)];
    return new Map(await Promise.all([...all].map(counting)));
  }

  async #save(userId: string, { origin, streamId, devices, master, selfSigning }: Fetched): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.putList(tx, { userId, origin, streamId, isStale: false }, devices);
      await this.saveCrossSigning(tx, userId, { master, selfSigning }, true);
    });
    // Asked after the commit: an update that comes later finds the list and judges by its number.
    if (this.#fetching.get(userId)?.isOutdated) await this.store.markStale(this.db, userId);
  }

  /** @param isComplete whether keys that are missing are gone, rather than unchanged */
  async saveCrossSigning(
    tx: Transaction, userId: string, keys: Pick<RemoteKeys, 'master' | 'selfSigning'>, isComplete: boolean,
  ): Promise<void> {
    const both = [['master', keys.master], ['self_signing', keys.selfSigning]] as const;
    const given = both.flatMap(([usage, key]) => (key ? [{ usage, key }] : []));
    if (isComplete) await this.keys.deleteCrossSigningExcept(tx, userId, given.map(({ usage }) => usage));
    for (const { usage, key } of given) await this.keys.putCrossSigning(tx, userId, usage, publicKeyOf(key, userId, usage)!, key);
  }
}

/** None of a user's servers answered. */
class ServersFailed extends Error {
  constructor(readonly failures: Record<string, object>) {
    super('no server answered');
  }
}

function toUserKeys({ devices, master, selfSigning }: Fetched): UserKeys {
  const known = devices.flatMap(({ deviceId, keys, displayName }) =>
    keys ? [[deviceId, withDisplayName(keys, displayName)] as const] : [],
  );
  return { devices: Object.fromEntries(known), ...(master && { master }), ...(selfSigning && { selfSigning }) };
}
