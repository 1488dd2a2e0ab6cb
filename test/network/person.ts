import { randomBytes } from 'node:crypto';
import {
  accountKey, accountKeyLogin, firstHomeRecord, genesis, loginProofText, namedUserId, nextHomeRecord, selfCertifyingUserId,
  type AccountKey, type HomeChange,
} from '#e2e';
import type { HomeEntry, HomeRecord } from '#federation';
import { TestClient, type Json } from './test-client.js';
import type { TestServer } from './test-server.js';

export const homesPath = '/unstable/io.partyline';

/** Somebody who holds an account key, with a client on each home. */
export class Person {
  readonly key: AccountKey = accountKey(randomBytes(32));
  readonly recoveryKey: AccountKey = accountKey(randomBytes(32));
  readonly clients = new Map<string, TestClient>();
  userId = '';
  record!: HomeRecord;

  private constructor(readonly label: string) {}

  /** An account named by its first home, registered with the person's own keys: its endorsement is final. */
  static async named(label: string, server: TestServer): Promise<Person> {
    const person = new Person(label);
    const founded = person.#genesis(server);
    person.userId = namedUserId(founded);
    const client = await new TestClient(server).register(label, undefined, { 'io.partyline.genesis': founded });
    const { endorsement, ...entry } = client.registered['io.partyline.home'];
    await person.#found(founded, entry, server, { endorsement });
    person.clients.set(server.label, client);
    return person;
  }

  /** The first keys of an account that an ordinary client has made; confirmed by its password. The endorsement is provisional. */
  static async ofAccount(label: string, server: TestServer, client: TestClient): Promise<Person> {
    const person = new Person(label);
    const founded = person.#genesis(server);
    person.userId = client.userId;
    const { endorsement, endorsement_terms: endorsementTerms, ...entry } = await confirmed(client, label, 'POST', `${homesPath}/account/attach`, { user_id: client.userId, genesis: founded });
    await person.#found(founded, entry, server, { endorsement, endorsementTerms });
    person.clients.set(server.label, client);
    return person;
  }

  /** An account whose name proves itself. */
  static async selfCertified(label: string, server: TestServer): Promise<Person> {
    const person = new Person(label);
    const founded = person.#genesis(server);
    person.userId = selfCertifyingUserId(founded);
    const entry = await person.offer(server, { genesis: founded });
    await person.#found(founded, entry, server);
    await person.login(server);
    return person;
  }

  /** The client at a home. */
  at(server: TestServer): TestClient {
    const client = this.clients.get(server.label);
    if (!client) throw new Error(`${this.label} is not logged in at ${server.label}`);
    return client;
  }

  /** A server's entry for the record. */
  async offer(server: TestServer, extra: Json = { record: this.record }): Promise<HomeEntry> {
    const body = { user_id: this.userId, ...(await this.proof(server)), ...extra };
    return new TestClient(server).request('POST', `${homesPath}/account/attach`, body);
  }

  /** A signed nonce of a server. */
  async proof(server: TestServer, key = this.key): Promise<{ nonce: string; signature: string }> {
    const { nonce } = await new TestClient(server).request('GET', `${homesPath}/login/nonce`);
    return { nonce, signature: key.sign(loginProofText(nonce, this.userId, server.name)) };
  }

  /** Signs the next record, without telling anybody. */
  next(change: HomeChange, key = this.key): HomeRecord {
    return nextHomeRecord(this.record, change, key);
  }

  /**
   * Publishes a record at a server without a token: it proves itself.
   *
   * @returns the homes that have it by then
   */
  async publish(record: HomeRecord, server: TestServer, extra: Json = {}): Promise<string[]> {
    const { told } = await new TestClient(server).request('PUT', `${homesPath}/account/record`, { record, ...extra });
    this.record = record;
    return told;
  }

  /** Adds a server as a home, as a client does; `through` publishes. */
  async addHome(server: TestServer, options: { through?: TestServer; priority?: number; drop?: string[] } = {}): Promise<TestClient> {
    const entry = { ...(await this.offer(server)), priority: options.priority ?? 10 };
    await this.publish(this.next({ add: [entry], drop: options.drop ?? [] }), options.through ?? server);
    return this.login(server);
  }

  /** Logs in with the account key. */
  async login(server: TestServer, deviceId = `DEV${this.label.toUpperCase()}`): Promise<TestClient> {
    const client = new TestClient(server);
    const answer = await client.request('POST', '/v3/login', {
      type: accountKeyLogin, identifier: { type: 'm.id.user', user: this.userId }, device_id: deviceId, ...(await this.proof(server)),
    });
    client.accessToken = answer.access_token;
    client.userId = answer.user_id;
    client.deviceId = answer.device_id;
    this.clients.set(server.label, client);
    return client;
  }

  #genesis(server: TestServer): HomeRecord['genesis'] {
    return genesis({
      label: this.label, serverName: server.name, recoveryKey: this.recoveryKey.publicKey, accountKey: this.key.publicKey, createdTs: Date.now(),
    });
  }

  async #found(founded: HomeRecord['genesis'], entry: HomeEntry, server: TestServer, endorsed: Pick<Founding, 'endorsement' | 'endorsementTerms'> = {}): Promise<void> {
    await this.publish(firstHomeRecord({ userId: this.userId, genesis: founded, homes: [entry], ...endorsed }, this.key), server);
  }
}

type Founding = Parameters<typeof firstHomeRecord>[0];

/** Sends a request that takes the owner of an account, with the password that `register` sets. */
export async function confirmed(client: TestClient, label: string, method: string, path: string, body: Json): Promise<Json> {
  const { body: { session } } = await client.raw(method, path, body);
  const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: label }, password: `password of ${label}`, session };
  return client.request(method, path, { ...body, auth });
}
