import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { register } from '../../../apps/homeserver/src/demo/account.js';
import { Person } from '../../../apps/homeserver/src/demo/person.js';
import { eventually } from '../../network/eventually.js';
import { Network } from '../../network/network.js';
import { ForeignClient } from '../foreign-client.js';
import { quietSdk } from '../quiet-sdk.js';
import { installNio } from './install.js';

const WAIT_MS = 60_000;
const nio = installNio();
if (typeof nio === 'string') process.stderr.write(`skipped: ${nio}\n`);

quietSdk();

(typeof nio === 'string' ? describe.skip : describe)('matrix-nio', () => {
  const store = mkdtempSync(join(tmpdir(), 'partyline-nio-'));
  let net: Network;
  let bob: Person;
  let client: ForeignClient;
  let userId: string;
  let roomId: string;
  const shown: string[] = [];

  beforeAll(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
    await net.client('a').register('nina');
    bob = await Person.enter('bob', await register({ serverName: net.server('b').name, url: net.server('b').url }, 'bob', 'LAPTOP'), net.server('b').url);
    bob.onMessage(({ text }) => shown.push(text));
    client = new ForeignClient(nio as [string, ...string[]]);
  }, 120_000);
  afterAll(async () => {
    bob?.leave();
    await client?.end();
    await net?.stop();
    rmSync(store, { recursive: true, force: true });
  });

  it('logs in with a password and opens an encrypted room with somebody elsewhere', async () => {
    ({ user: userId } = await client.order('login', { url: net.server('a').url, user: 'nina', password: 'password of nina', store }));
    expect(userId).toBe(`@nina:${net.server('a').name}`);
    ({ room: roomId } = await client.order('create', { name: 'Boathouse', invite: [bob.userId] }));
    await bob.join(roomId);
    await eventually(async () => {
      const { encrypted, members } = await client.order('members', { room: roomId });
      return encrypted && members.includes(bob.userId) && bob.client.getRoom(roomId)?.hasEncryptionStateEvent();
    }, WAIT_MS);
  }, 120_000);

  it('is read there, and reads', async () => {
    await client.order('say', { room: roomId, count: 1, text: 'said by nio' });
    await eventually(() => shown.includes('said by nio'), WAIT_MS);
    await bob.write(roomId, 1, 'said by matrix-js-sdk');
    expect(await client.shows('said by matrix-js-sdk')).toMatchObject({ sender: bob.userId, encrypted: true, room: roomId });
  }, 180_000);

  it('sends and gets encrypted files', async () => {
    const { event } = await client.order('file', { room: roomId, count: 2, text: 'what is in the file' });
    expect(await client.shows('what is in the file')).toMatchObject({ event, type: 'm.file', encrypted: true, sender: userId });
  }, 180_000);

  it('goes on after a restart of its server', async () => {
    await net.server('a').stop();
    await net.server('a').start();
    await bob.write(roomId, 3, 'said while it was away');
    await client.shows('said while it was away');
    expect(client.unreadable).toEqual([]);
  }, 180_000);
});
