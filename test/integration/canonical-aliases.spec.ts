import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
beforeAll(async () => {
  net = await Network.start();
  alice = await net.client().register('alice');
});
afterAll(() => net.stop());

describe('the canonical alias of a room', () => {
  const path = (roomId: string) => `${roomPath(roomId)}/state/m.room.canonical_alias/`;
  const create = async (name: string): Promise<{ roomId: string; alias: string }> => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_alias_name: name });
    return { roomId, alias: `#${name}:${net.server('a').name}` };
  };

  it('has to be an alias of this room', async () => {
    const [one, two] = [await create('one'), await create('two')];
    await alice.request('PUT', path(one.roomId), { alias: one.alias, alt_aliases: [one.alias] });
    const refuse = (content: object, errcode: string) => alice.expectError(400, errcode, 'PUT', path(one.roomId), content);
    await refuse({ alias: `#nothing:${net.server('a').name}` }, 'M_BAD_ALIAS');
    await refuse({ alias: one.alias, alt_aliases: [two.alias] }, 'M_BAD_ALIAS');
    await refuse({ alias: one.alias, alt_aliases: ['%no'] }, 'M_INVALID_PARAM');
    expect(await alice.request('GET', path(one.roomId))).toEqual({ alias: one.alias, alt_aliases: [one.alias] });
  });

  it('goes when the alias is deleted', async () => {
    const { roomId, alias } = await create('three');
    await alice.request('PUT', path(roomId), { alias });
    await alice.request('DELETE', `/v3/directory/room/${encodeURIComponent(alias)}`);
    expect(await alice.request('GET', path(roomId))).toEqual({});
  });
});
