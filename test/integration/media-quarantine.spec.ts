import { download, openDownload, pixel, upload } from '../network/media.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { Uploaded } from '../network/media.js';

let net: Network;
let admin: TestClient;
let alice: TestClient;
let far: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  admin = await net.administrator('a');
  [alice, far] = await Promise.all([net.client('a').register('alice'), net.client('b').register('far')]);
});
afterAll(() => net.stop());

const path = '/_synapse/admin/v1';
const image = (text: string): Buffer => Buffer.concat([pixel, Buffer.from(text)]);
const statuses = async (media: Uploaded): Promise<number[]> =>
  (await Promise.all([download(alice, media), openDownload(alice, media), alice.raw('GET', `/v1/media/thumbnail/${media.path}?width=32&height=32`)])).map((answer) => answer.status);
const show = (client: TestClient, roomId: string, content: Json): Promise<Json> => client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.image', body: 'x.png', ...content });

describe('media in quarantine', () => {
  it('are given to nobody, by whatever address, until they are let out', async () => {
    const [one, same, other] = [await upload(alice, image('one')), await upload(far, image('one')), await upload(alice, image('other'))];
    expect(await statuses(one)).toEqual([200, 200, 200]);
    await admin.request('POST', `${path}/media/quarantine/${one.path}`, {});
    expect(await statuses(one)).toEqual([404, 404, 404]);
    expect((await download(alice, same)).status).toBe(404);
    expect((await download(alice, other)).status).toBe(200);
    // The other server cannot get it from here either; what it has itself is its own.
    expect((await download(far, one)).status).toBe(404);
    expect((await download(far, same)).status).toBe(200);
    const again = await upload(alice, image('one'));
    expect((await download(alice, again)).status).toBe(404);
    await net.server('a').crash();
    await net.server('a').start();
    expect((await download(alice, one)).status).toBe(404);
    await admin.request('POST', `${path}/media/unquarantine/${one.path}`, {});
    expect((await download(alice, one)).status).toBe(200);
    expect((await download(alice, again)).status).toBe(200);
  });

  it('are those of a room, or of an account', async () => {
    const roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id;
    const [picture, small, theirs, elsewhere] = [await upload(alice, image('picture')), await upload(alice, image('small')), await upload(far, image('theirs')), await upload(alice, image('elsewhere'))];
    await show(alice, roomId, { url: picture.uri, info: { thumbnail_url: small.uri } });
    await show(alice, roomId, { url: theirs.uri });
    for (const url of [5, 'mxc://', `mxc://${net.server('a').name}/../x`, 'https://example.org/x.png']) await show(alice, roomId, { url });
    const room = encodeURIComponent(roomId);
    expect(await admin.request('GET', `${path}/room/${room}/media`)).toEqual({ local: [picture.uri, small.uri], remote: [theirs.uri] });
    expect(await admin.request('POST', `${path}/room/${room}/media/quarantine`, {})).toEqual({ num_quarantined: 3 });
    expect(await admin.request('POST', `${path}/quarantine_media/${room}`, {})).toEqual({ num_quarantined: 0 });
    for (const media of [picture, small, theirs]) expect((await download(alice, media)).status).toBe(404);
    expect((await download(alice, elsewhere)).status).toBe(200);
    expect((await admin.request('POST', `${path}/user/${encodeURIComponent(alice.userId)}/media/quarantine`, {})).num_quarantined).toBeGreaterThan(0);
    expect((await download(alice, elsewhere)).status).toBe(404);
  });

  it('are chosen by administrators only', async () => {
    await alice.expectError(403, 'M_FORBIDDEN', 'POST', `${path}/media/quarantine/${net.server('a').name}/abc`, {});
    await admin.expectError(404, 'M_NOT_FOUND', 'GET', `${path}/room/${encodeURIComponent('!none:example.org')}/media`);
    await admin.expectError(400, 'M_INVALID_PARAM', 'POST', `${path}/media/quarantine/${net.server('a').name}/${encodeURIComponent('../x')}`, {});
    await admin.expectError(400, 'M_INVALID_PARAM', 'POST', `${path}/user/nobody/media/quarantine`, {});
  });
});
