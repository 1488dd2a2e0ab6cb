import { Network } from '../network/network.js';

describe('many accounts that need their first records at once', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start();
  });
  afterAll(() => net?.stop());

  it('get them without waiting for connections that they hold themselves', async () => {
    const people = await Promise.all(Array.from({ length: 24 }, (_, i) => net.client().register(`user${i}`)));
    const made = Promise.all(people.map((person) => person.raw('POST', '/v3/createRoom', { room_version: 'io.partyline.1' })));
    expect((await made).map(({ status }) => status)).toEqual(people.map(() => 200));
  }, 60_000);
});
