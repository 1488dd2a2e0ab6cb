import type { JsonObject } from '../../libs/federation/src/index.js';
import type { Json } from '../network/test-client.js';
import type { HostileRoom } from './hostile-room.js';
import { wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;

beforeAll(async () => {
  world = await HostileWorld.start();
});
afterAll(() => world?.stop());

describe.each(['10', '11'])('a redaction that crosses with a change of its sender\'s level, in version %s', (version) => {
  let roomId: string;
  let bad: HostileRoom;
  beforeEach(async () => {
    ({ roomId, bad } = await world.sharedRoom(version));
  });

  const setLevel = async (level: number): Promise<void> => {
    const { alice } = world;
    const levels = await world.state(alice, roomId, 'm.room.power_levels');
    await alice.request('PUT', `${path(roomId)}/state/m.room.power_levels`, { ...levels, users: { ...levels.users, [bad.userId]: level } });
  };
  const say = async (body: string): Promise<string> =>
    (await world.alice.request('PUT', `${path(roomId)}/send/m.room.message/${world.alice.nextTxn()}`, { body, msgtype: 'm.text' })).event_id;
  const contentOf = async (eventId: string): Promise<Json> => (await world.alice.request('GET', `${path(roomId)}/event/${encodeURIComponent(eventId)}`)).content;
  /** The room's end as the other server sees it now. */
  const seeNow = async (): Promise<{ prev_events: string[]; depth: number }> => {
    const { alice, hostile, a } = world;
    const state: Json[] = await alice.request('GET', `${path(roomId)}/state`);
    bad.state.set('m.room.power_levels\0', state.find((event) => event.type === 'm.room.power_levels').event_id);
    const { event } = await hostile.request(a, 'GET', `/_matrix/federation/v1/make_leave/${encodeURIComponent(roomId)}/${encodeURIComponent(bad.userId)}`);
    return { prev_events: event.prev_events, depth: event.depth };
  };
  const redacting = (eventId: string): { redacts: string } | { content: JsonObject } => (version === '10' ? { redacts: eventId } : { content: { redacts: eventId } });

  it('counts where the sender had the level when it was made', async () => {
    await setLevel(60);
    const eventId = await say('slip');
    const place = await seeNow();
    await setLevel(0);
    const redaction = bad.event({ type: 'm.room.redaction', ...place, ...redacting(eventId) });
    expect(await world.hostile.send(world.a, [wire(redaction)])).toEqual({ [redaction.eventId]: {} });
    expect(await contentOf(eventId)).toEqual({});
    await world.a.restart();
    expect(await contentOf(eventId)).toEqual({});
  });

  it('does not where it got the level later', async () => {
    await setLevel(0);
    const eventId = await say('to stay');
    const place = await seeNow();
    await setLevel(60);
    const redaction = bad.event({ type: 'm.room.redaction', ...place, ...redacting(eventId) });
    await world.hostile.send(world.a, [wire(redaction)]);
    expect(await contentOf(eventId)).toMatchObject({ body: 'to stay' });
    expect(await world.isShown(roomId, redaction)).toBe(false);
  });
});
