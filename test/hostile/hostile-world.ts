import type { RoomEvent } from '../../libs/federation/src/index.js';
import { EventsStore } from '../../apps/homeserver/src/rooms/timeline/events.store.js';
import type { EventStatus } from '../../apps/homeserver/src/rooms/timeline/stored-event.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer } from './hostile-server.js';

/** Path of a room for clients. */
export const path = (roomId: string): string => `/v3/rooms/${encodeURIComponent(roomId)}`;

/** Two good servers with a user each, and a hostile one. */
export class HostileWorld {
  private constructor(
    readonly net: Network,
    readonly hostile: HostileServer,
    /** On the first server. */
    readonly alice: TestClient,
    /** On the second server. */
    readonly bob: TestClient,
  ) {}

  /** @param alice registers whoever is to be on the first server */
  static async start(alice = (net: Network): Promise<TestClient> => net.client('a').register('alice')): Promise<HostileWorld> {
    const net = await Network.start({ servers: 2 });
    const hostile = await HostileServer.start();
    // Its keys are fetched and stored with the first request, so that later ones store nothing.
    for (const server of net.servers) await hostile.raw(server, 'GET', '/_matrix/federation/v1/query/profile');
    return new HostileWorld(net, hostile, await alice(net), await net.client('b').register('bob'));
  }

  async stop(): Promise<void> {
    await this.hostile.stop();
    await this.net.stop();
  }

  get a(): TestServer {
    return this.net.server('a');
  }

  get b(): TestServer {
    return this.net.server('b');
  }

  /** A public room of all three servers. */
  async sharedRoom(
    version: string, options: { by?: HostileServer; userId?: string; joins?: Parameters<typeof HostileRoom.join>[4] } = {},
  ): Promise<{ roomId: string; bad: HostileRoom }> {
    const { by = this.hostile } = options;
    const { room_id: roomId } = await this.alice.request('POST', '/v3/createRoom', { room_version: version, preset: 'public_chat' });
    await this.bob.request('POST', `${path(roomId)}/join`, {}, { query: { via: this.a.name } });
    return { roomId, bad: await HostileRoom.join(by, this.a, roomId, options.userId, options.joins) };
  }

  state(client: TestClient, roomId: string, type: string, key = ''): Promise<Json> {
    return client.request('GET', `${path(roomId)}/state/${type}/${encodeURIComponent(key)}`);
  }

  /** What became of an event on the first server; undefined when it does not have it. */
  async statusOf(event: RoomEvent): Promise<EventStatus | undefined> {
    return (await this.a.get(EventsStore).byId(event.roomId, event.eventId))?.status;
  }

  /** Whether alice can see the event. */
  async isShown(roomId: string, event: RoomEvent): Promise<boolean> {
    return (await this.alice.raw('GET', `${path(roomId)}/event/${encodeURIComponent(event.eventId)}`)).status === 200;
  }

  /** The good servers talk to each other and see the same room. */
  async expectGoodServersAgree(roomId: string): Promise<void> {
    const { alice, bob } = this;
    const topic = `after ${Math.random()}`;
    await alice.request('PUT', `${path(roomId)}/state/m.room.topic`, { topic });
    await eventually(async () => (await this.state(bob, roomId, 'm.room.topic')).topic === topic);
    const { event_id: eventId } = await bob.request('PUT', `${path(roomId)}/send/m.room.message/${Math.random()}`, { body: topic, msgtype: 'm.text' });
    await eventually(async () => (await alice.raw('GET', `${path(roomId)}/event/${encodeURIComponent(eventId)}`)).status === 200);
    const all = async (client: TestClient) => (await client.request('GET', `${path(roomId)}/state`)).map((event: Json) => event.event_id).sort();
    await eventually(async () => JSON.stringify(await all(alice)) === JSON.stringify(await all(bob)));
  }
}
