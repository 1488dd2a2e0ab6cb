import { randomBytes } from 'node:crypto';
import { accountKey, firstHomeRecord, genesis, loginProofText, nextHomeRecord, recoveryKeys, type AccountKey } from '#e2e';
import type { HomeEntry, HomeRecord } from '#federation';
import { ask } from './ask.js';

const unstable = '/_matrix/client/unstable/io.partyline';

/** Where a server is reached. */
export interface ServerPlace {
  readonly serverName: string;
  readonly url: string;
}

export interface Session {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
}

/** An account whose key the person holds: it can have several homes. */
export interface OwnedAccount extends Session {
  readonly key: AccountKey;
  readonly record: HomeRecord;
}

/** Registers an account with a password, as any Matrix client does. */
export async function register(server: ServerPlace, name: string, deviceId: string): Promise<Session> {
  return sessionOf(await askToRegister(server, name, deviceId));
}

/** Registers an account that is in the person's own hands from the first: account key, recovery key, first home record. */
export async function registerOwned(server: ServerPlace, name: string, deviceId: string, now: number): Promise<OwnedAccount> {
  const key = accountKey(randomBytes(32));
  const founding = genesis({
    label: name,
    serverName: server.serverName,
    recoveryKey: recoveryKeys(randomBytes(32)).recoveryKey.publicKey,
    accountKey: key.publicKey,
    createdTs: now,
  });
  const answer = await askToRegister(server, name, deviceId, { 'io.partyline.genesis': founding });
  const session = sessionOf(answer);
  const { userId, accessToken } = session;
  const offer = answer['io.partyline.home'] as Record<string, unknown>;
  const first = firstHomeRecord({ userId, genesis: founding, homes: [{ ...entryOf(offer), priority: 0 }], endorsement: offer['endorsement'] as Record<string, string> }, key);
  await ask(server.url, { method: 'PUT', path: `${unstable}/account/record`, accessToken, body: { record: first } });
  return { ...session, key, record: first };
}

function askToRegister(server: ServerPlace, name: string, deviceId: string, extra: object = {}): Promise<Record<string, unknown>> {
  return ask(server.url, {
    method: 'POST',
    path: '/_matrix/client/v3/register',
    body: { username: name, password: randomBytes(18).toString('base64url'), device_id: deviceId, auth: { type: 'm.login.dummy' }, ...extra },
  });
}

function sessionOf(answer: Record<string, unknown>): Session {
  return { userId: String(answer['user_id']), deviceId: String(answer['device_id']), accessToken: String(answer['access_token']) };
}

/** Asks a server to be a home of the account and signs the record that says so. Nobody else knows of it yet. */
export async function recordWithHome(account: Pick<OwnedAccount, 'userId' | 'key' | 'record'>, server: ServerPlace, priority: number): Promise<HomeRecord> {
  const { userId, key, record } = account;
  const offer = await ask(server.url, { method: 'POST', path: `${unstable}/account/attach`, body: { user_id: userId, record, ...(await proof(server, userId, key)) } });
  return nextHomeRecord(record, { add: [{ ...entryOf(offer), priority }] }, key);
}

/** A signature by the account key over a fresh number of the server. */
export async function proof(server: ServerPlace, userId: string, key: AccountKey): Promise<{ nonce: string; signature: string }> {
  const { nonce } = await ask(server.url, { method: 'GET', path: `${unstable}/login/nonce` });
  return { nonce: String(nonce), signature: key.sign(loginProofText(String(nonce), userId, server.serverName)) };
}

function entryOf(offer: Record<string, unknown>): HomeEntry {
  const { endorsement: _endorsement, endorsement_terms: _terms, ...entry } = offer;
  return entry as unknown as HomeEntry;
}
