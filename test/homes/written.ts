import { eventually } from '../network/eventually.js';
import type { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// Account data of a person at one of the homes: what tests of the account's log write, and wait for elsewhere.
export const dataPath = (client: TestClient, type: string): string => `/v3/user/${encodeURIComponent(client.userId)}/account_data/${type}`;

export const write = (person: Person, at: TestServer, type: string, content: Json = { type }): Promise<Json> =>
  person.at(at).request('PUT', dataPath(person.at(at), type), content);

/** What is there; an error's body where nothing is. */
export const read = async (person: Person, at: TestServer, type: string): Promise<Json> => (await person.at(at).raw('GET', dataPath(person.at(at), type))).body;

export const isAt = (person: Person, at: TestServer, type: string, content: Json = { type }): Promise<unknown> =>
  eventually(async () => JSON.stringify(await read(person, at, type)) === JSON.stringify(content), 15_000);
