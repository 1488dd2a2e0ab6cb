import { ClientEvent, createClient, RoomEvent } from 'matrix-js-sdk';
import type { MatrixClient } from 'matrix-js-sdk';
import { logger } from 'matrix-js-sdk/lib/logger.js';
import { FakeNetwork, baseUrl, userId } from './fake-network.js';
import type { FakeHome } from './fake-home.js';

// The SDK leaves timers of almost two minutes behind each long poll; they must not keep the test run waiting, to its end.
const { setTimeout: realSetTimeout } = globalThis;
beforeAll(() => {
  (logger as unknown as { disableAll(): void }).disableAll();
  const unreferenced = (run: () => void, ms?: number): NodeJS.Timeout => realSetTimeout(run, ms).unref();
  globalThis.setTimeout = unreferenced as typeof globalThis.setTimeout;
});
let network: FakeNetwork;
let client: MatrixClient;
let a: FakeHome;
let b: FakeHome;

beforeEach(async () => {
  network = await FakeNetwork.start(['a.example', 'b.example']);
  [a, b] = network.homes as [FakeHome, FakeHome];
  for (const home of network.homes) {
    home.answer = ({ path }) => (path.endsWith('/pushrules/') ? { status: 200, body: { global: {} } } : undefined);
  }
});
afterEach(async () => {
  client.stopClient();
  await network.stop();
});

describe('matrix-js-sdk', () => {
  it('does not notice that its home is killed: it shows and sends everything once', async () => {
    network.room.add('@bob:b', { msgtype: 'm.text', body: '1' });
    client = createClient({ baseUrl, userId, deviceId: 'PHONE', accessToken: 'of the app', fetchFn: network.router.fetch });
    const shown: string[] = [];
    const states: string[] = [];
    client.on(RoomEvent.Timeline, (event, _room, toStart) => {
      if (!toStart && event.getSender() === '@bob:b') shown.push(event.getContent()['body'] as string);
    });
    client.on(ClientEvent.Sync, (state) => states.push(state));
    await client.startClient({ initialSyncLimit: 10 });
    await a.saw(({ path, query }) => path.endsWith('/sync') && query.has('since'));

    network.room.add('@bob:b', { msgtype: 'm.text', body: '2' });
    await a.kill();
    const { event_id: sent } = await client.sendTextMessage(network.room.roomId, 'from me');
    network.room.add('@bob:b', { msgtype: 'm.text', body: '3' });
    b.wake();
    while (shown.at(-1) !== '3') await new Promise((resolve) => setImmediate(resolve));

    expect(shown).toEqual(['1', '2', '3']);
    expect(network.room.events.filter((event) => event.content.body === 'from me').map((event) => event.event_id)).toEqual([sent]);
    expect(states.filter((state) => ['ERROR', 'RECONNECTING', 'STOPPED'].includes(state))).toEqual([]);
    const timeline = client.getRoom(network.room.roomId)?.getLiveTimeline().getEvents().map((event) => event.getId());
    // The own message stands where its echo was, which may be before what came meanwhile.
    expect(timeline?.toSorted()).toEqual(network.room.events.map((event) => event.event_id));
  });
});
