import { FakeNetwork } from './fake-network.js';
import type { FakeAnswer, FakeHome, SeenRequest } from './fake-home.js';

let network: FakeNetwork;
let a: FakeHome;
let b: FakeHome;

beforeEach(async () => {
  network = await FakeNetwork.start(['a.example', 'b.example']);
  [a, b] = network.homes as [FakeHome, FakeHome];
});
afterEach(() => network.stop());

/** A home that hears from C or not, and holds these events. */
function reaches(home: FakeHome, contact: number | null, events: string[]): void {
  home.answer = ({ path }: SeenRequest): FakeAnswer | undefined => {
    const event = /\/event\/(.+)$/.exec(decodeURIComponent(path))?.[1];
    if (event) return events.includes(event) ? { status: 200, body: {} } : { status: 404, body: { errcode: 'M_NOT_FOUND' } };
    if (!path.endsWith('/reach')) return undefined;
    return { status: 200, body: { frontier: events.slice(-1), replicas: { [home.serverName]: { last_contact_ts: null }, 'c.example': { last_contact_ts: contact } } } };
  };
}

describe('checking a room', () => {
  it('sends through the home that reaches the other replicas, and reads where it was', async () => {
    await network.send('1');
    reaches(a, null, ['$1']);
    reaches(b, network.clock.now(), ['$1']);
    expect(await network.router.checkRoom(network.room.roomId)).toEqual({ home: 'b.example', copies: { kind: 'same' } });
    await network.send('2');
    await network.get(`v3/rooms/${network.room.roomId}/state`);
    expect([b.to('/2').length, a.to('/2').length, a.to('/state').length]).toEqual([1, 0, 1]);
    expect(network.phonebook.conversation('@alice:example', network.room.roomId)?.replicas.toSorted()).toEqual(['a.example', 'b.example', 'c.example']);
    reaches(a, network.clock.now(), ['$1']);
    await network.router.checkRoom(network.room.roomId);
    await network.send('3');
    expect(a.to('/3')).toHaveLength(1);
  });

  it('still sends when the home that reaches more is dead', async () => {
    await network.send('1');
    reaches(b, network.clock.now(), ['$1']);
    reaches(a, null, ['$1']);
    await network.router.checkRoom(network.room.roomId);
    await b.kill();
    expect((await network.send('2')).status).toBe(200);
    expect(a.to('/2')).toHaveLength(1);
  });

  it('names the home that withholds events for more than a minute, but not one that does not answer', async () => {
    await network.send('1');
    const check = (): Promise<unknown> => network.router.checkRoom(network.room.roomId).then(({ copies }) => copies);
    reaches(a, null, ['$1', '$2']);
    reaches(b, null, ['$1']);
    expect(await check()).toEqual({ kind: 'settling' });
    await network.clock.advance(61_000);
    expect(await check()).toEqual({ kind: 'withheld', by: ['b.example'] });
    await b.kill();
    expect(await check()).toEqual({ kind: 'same' });
  });
});
