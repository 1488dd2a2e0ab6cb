import { buildEvent, roomVersion } from '../../libs/federation/src/index.js';
import { HostileServer, wire } from '../hostile/hostile-server.js';
import { pixel, upload } from '../network/media.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';

/** Operations that no client of the other suites uses, and that older programs do. */
describe('what is seldom asked for', () => {
  let net: Network;
  let alice: TestClient;
  let other: HostileServer;
  beforeAll(async () => {
    net = await Network.start({ configs: { a: { serverName: 'example.org', publicUrl: 'https://matrix.example.org' } } });
    other = await HostileServer.start();
    alice = await net.client().register('alice');
  });
  afterAll(async () => {
    await other?.stop();
    await net?.stop();
  });

  it('is where the server of a domain is, by the domain\'s web site', async () => {
    expect(await alice.request('GET', '/.well-known/matrix/server')).toEqual({ 'm.server': 'matrix.example.org:443' });
  });

  it('is a file under a name that the reader gives it', async () => {
    const { path } = await upload(alice, pixel);
    const answer = await alice.raw('GET', `/_matrix/media/v3/download/${path}/dot.png`, undefined, { anonymous: true });
    expect([answer.status, answer.bytes.equals(pixel)]).toEqual([200, true]);
    expect(answer.headers['content-disposition']).toContain('dot.png');
  });

  it('is an alias', async () => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_alias_name: 'den' });
    expect(await alice.request('GET', `/v3/directory/room/${encodeURIComponent('#den:example.org')}`)).toEqual({ room_id: roomId, servers: ['example.org'] });
  });

  it('is the list of public rooms and a room of a space, for servers', async () => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', visibility: 'public', name: 'Den' });
    const list = await other.request(net.server('a'), 'GET', '/_matrix/federation/v1/publicRooms?limit=5');
    expect(list.chunk).toMatchObject([{ room_id: roomId, name: 'Den' }]);
    const tree = await other.request(net.server('a'), 'GET', `/_matrix/federation/v1/hierarchy/${encodeURIComponent(roomId)}`);
    expect(tree).toMatchObject({ room: { room_id: roomId, name: 'Den' }, children: [], inaccessible_children: [] });
  });

  it('is an invitation to a room of version 1, as its servers send it', async () => {
    const event = buildEvent({
      type: 'm.room.member', room_id: `!old:${other.name}`, sender: other.user('mallory'), state_key: alice.userId, content: { membership: 'invite' },
      origin_server_ts: Date.now(), depth: 5, prev_events: [`$before:${other.name}`], auth_events: [`$auth:${other.name}`],
    }, roomVersion('1')!, { name: other.name, key: other.key });
    const path = `/_matrix/federation/v1/invite/${encodeURIComponent(event.roomId)}/${encodeURIComponent(event.eventId)}`;
    const [status, answer] = await other.request(net.server('a'), 'PUT', path, wire(event));
    expect([status, answer.event.event_id, Object.keys(answer.event.signatures).sort()]).toEqual([200, event.eventId, ['example.org', other.name].sort()]);
    expect(Object.keys((await alice.request('GET', '/v3/sync')).rooms.invite)).toEqual([event.roomId]);
  });
});
