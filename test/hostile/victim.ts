import { eventually } from '../network/eventually.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { dataPath } from '../homes/written.js';
import { HostileHome } from './hostile-home.js';
import type { HostileServer } from './hostile-server.js';

/** A hash of which nobody has the operation. */
export const HASH = 'A'.repeat(43);

/** A person at a server, with a hostile second home. */
export async function victim(label: string, at: TestServer, evil: HostileServer): Promise<{ person: Person; home: HostileHome }> {
  const person = await Person.named(label, at);
  const home = new HostileHome(evil, person.userId);
  await person.publish(person.next({ add: [home.entry] }), at);
  return { person, home };
}

/** Account data as a home shows it; null where it has none. */
export async function read(person: Person, at: TestServer, type: string): Promise<Json> {
  const { status, body } = await person.at(at).raw('GET', dataPath(person.at(at), type));
  return status === 200 ? body : null;
}

/** Waits until a home shows the account data. */
export const isAt = (person: Person, at: TestServer, type: string): Promise<unknown> => eventually(async () => (await read(person, at, type)) !== null, 15_000);

/** What a home says of the account's homes and logs. */
export const homes = (person: Person, at: TestServer): Promise<Json> => person.at(at).request('GET', `${homesPath}/account/homes`);

/** What a home says of another one. */
export const homeAt = async (person: Person, at: TestServer, name: string): Promise<Json> =>
  (await homes(person, at)).homes.find((home: Json) => home.server_name === name);

/** Waits until a home has a log of a home, by default its own; its name, and what is said of it. */
export async function logOf(person: Person, at: TestServer, name = at.name): Promise<[string, Json]> {
  const { logs } = await eventually(async () => {
    const answer = await homes(person, at);
    return Object.values<Json>(answer.logs).some((log) => log.server_name === name) && answer;
  });
  return Object.entries<Json>(logs).find(([, log]) => log.server_name === name)!;
}
