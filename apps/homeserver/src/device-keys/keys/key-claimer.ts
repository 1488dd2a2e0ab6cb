import { Injectable } from '@nestjs/common';
import { isJsonObject, jsonMember, type JsonValue } from '#federation';
import { MAX_NESTING, nestsDeeperThan, parseStoredJson } from '#json';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { FederationClient } from '../../federation/federation-client.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { DeviceServerSlots, MAX_SERVERS_PER_REQUEST } from '../device-server-slots.js';
import type { KeyClaim } from '../one-time-keys/one-time-key.store.js';
import { OneTimeKeys } from '../one-time-keys/one-time-keys.js';

/** User id → device id → name (`algorithm:id`) → key. */
export type KeysByDevice = Record<string, Record<string, Record<string, unknown>>>;

export interface KeyClaimAnswer {
  readonly one_time_keys: KeysByDevice;
  /** By server that did not answer. */
  readonly failures: Record<string, object>;
}

/** Hands out one-time keys: those kept here, and those of other servers on behalf of accounts here. */
@Injectable()
export class KeyClaimer {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly accountServers: AccountServers,
    private readonly oneTimeKeys: OneTimeKeys,
    private readonly client: FederationClient,
    private readonly slots: DeviceServerSlots,
    private readonly serverKeys: ServerKeys,
  ) {}

  /**
   * @param account who asks
   * @param timeoutMs for each server, with the wait for its turn
   */
  async claim(account: string, claims: readonly KeyClaim[], timeoutMs: number): Promise<KeyClaimAnswer> {
    const answer: KeyClaimAnswer = { one_time_keys: {}, failures: {} };
    Object.assign(answer.one_time_keys, await this.claimLocal(claims));
    // Each home has keys of its own: an account without any here may have some at another home.
    const open = claims.filter(({ userId, deviceId }) => !answer.one_time_keys[userId]?.[deviceId]);
    const groups = new Map<string, { servers: readonly string[]; claims: KeyClaim[] }>();
    const all = await this.accountServers.ofAll([...new Set(open.map(({ userId }) => userId))]);
    for (const one of open) {
      const servers = all.get(one.userId)!.filter((server) => server !== this.serverKeys.serverName);
      const group = groups.get(servers.join(' ')) ?? { servers, claims: [] };
      groups.set(servers.join(' '), group);
      group.claims.push(one);
    }
    await Promise.all([...groups.values()].map((group, i) => {
      if (i < MAX_SERVERS_PER_REQUEST) return this.#claimRemote(account, group, timeoutMs, answer);
      answer.failures[group.servers[0] ?? ''] = { errcode: 'M_LIMIT_EXCEEDED', error: 'Too many servers in one request' };
      return undefined;
    }));
    return answer;
  }

  /** Keys of accounts on this server. */
  async claimLocal(claims: readonly KeyClaim[]): Promise<KeysByDevice> {
    const keys: KeysByDevice = {};
    for (const key of await this.oneTimeKeys.claim(claims.filter(({ userId }) => this.directory.has(userId)))) {
      const devices = (keys[key.userId] ??= {});
      devices[key.deviceId] = { ...devices[key.deviceId], [`${key.algorithm}:${key.keyId}`]: parseStoredJson(key.json) };
    }
    return keys;
  }

  /** Asks one home after the other until nothing is open. */
  async #claimRemote(
    account: string, { servers, claims }: { servers: readonly string[]; claims: readonly KeyClaim[] }, timeoutMs: number, answer: KeyClaimAnswer,
  ): Promise<void> {
    let open = claims;
    for (const destination of servers) {
      const wanted: Record<string, Record<string, string>> = {};
      for (const { userId, deviceId, algorithm } of open) (wanted[userId] ??= {})[deviceId] = algorithm;
      try {
        const body = await this.slots.run(account, destination, timeoutMs, (leftMs) => this.client.request({
          destination, method: 'POST', path: '/_matrix/federation/v1/user/keys/claim', body: { one_time_keys: wanted }, timeoutMs: leftMs,
        }));
        open = open.filter((one) => !take(body as JsonValue, one, answer.one_time_keys));
      } catch (error) {
        answer.failures[destination] = { errcode: 'M_UNKNOWN', error: error instanceof Error ? error.message : String(error) };
      }
      if (open.length === 0) return;
    }
  }
}

/** Takes over the key that a server gave for one claim. @returns false when it gave none */
function take(body: JsonValue, { userId, deviceId, algorithm }: KeyClaim, keys: KeysByDevice): boolean {
  const given = jsonMember(jsonMember(jsonMember(body, 'one_time_keys'), userId), deviceId);
  const entry = isJsonObject(given) ? Object.entries(given).find(([name]) => name.startsWith(`${algorithm}:`)) : undefined;
  if (!entry || nestsDeeperThan(entry[1], MAX_NESTING)) return false;
  (keys[userId] ??= {})[deviceId] = { [entry[0]]: entry[1] };
  return true;
}
