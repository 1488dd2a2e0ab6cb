import { eventually } from '../network/eventually.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

/** Waits until a home has all rooms of the person. */
export const isComplete = (person: Person, server: TestServer): Promise<unknown> => eventually(async () => {
  const { rooms } = (await person.at(server).request('GET', `${homesPath}/account/homes`)).homes.find((home: Json) => home.server_name === server.name);
  return rooms.complete && rooms.ready === rooms.total;
}, 20_000);

/** A person with two homes, of which the second has what the first had. */
export async function twoHomes(label: string, a: TestServer, b: TestServer): Promise<Person> {
  const person = await Person.named(label, a);
  await person.addHome(b, { through: a });
  await isComplete(person, b);
  return person;
}
