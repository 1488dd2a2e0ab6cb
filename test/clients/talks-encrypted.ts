import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { register } from '../../apps/homeserver/src/demo/account.js';
import { Person } from '../../apps/homeserver/src/demo/person.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { ForeignClient } from './foreign-client.js';
import { quietSdk } from './quiet-sdk.js';

const WAIT_MS = 60_000;
const TEST_TIMEOUT_MS = 240_000;

/** The suite of a client that is no JavaScript: `command` runs it, or is a sentence that says why it cannot be had. */
export function talksEncrypted(name: string, command: readonly [string, ...string[]] | string): void {
  if (typeof command === 'string') process.stderr.write(`skipped: ${command}\n`);
  quietSdk();
  (typeof command === 'string' ? describe.skip : describe)(name, () => {
    const store = mkdtempSync(join(tmpdir(), 'partyline-client-'));
    const shown: string[] = [];
    let net: Network;
    let bob: Person;
    let client: ForeignClient;
    let userId: string;
    let roomId: string;

    beforeAll(async () => {
      net = await Network.start({ servers: ['a', 'b'] });
      await net.client('a').register('nina');
      const { name: serverName, url } = net.server('b');
      bob = await Person.enter('bob', await register({ serverName, url }, 'bob', 'LAPTOP'), url);
      bob.onMessage(({ text }) => shown.push(text));
      client = new ForeignClient(command as readonly [string, ...string[]]);
    }, TEST_TIMEOUT_MS);
    afterAll(async () => {
      bob?.leave();
      await client?.end();
      await net?.stop();
      rmSync(store, { recursive: true, force: true });
    });

    /** Resolves when both know that they are in an encrypted room. */
    async function together(): Promise<void> {
      await eventually(async () => {
        const { encrypted, members } = await client.order('members', { room: roomId });
        const room = bob.client.getRoom(roomId);
        return encrypted && members.includes(bob.userId) && room?.hasEncryptionStateEvent() && room.getJoinedMemberCount() === 2;
      }, WAIT_MS);
    }

    it('logs in with a password and opens an encrypted room with somebody elsewhere', async () => {
      ({ user: userId } = await client.order('login', { url: net.server('a').url, user: 'nina', password: 'password of nina', store }));
      expect(userId).toBe(`@nina:${net.server('a').name}`);
      ({ room: roomId } = await client.order('create', { name: 'Boathouse', invite: [bob.userId] }));
      await bob.join(roomId);
      await together();
    }, TEST_TIMEOUT_MS);

    it('is read there, and reads', async () => {
      await client.order('say', { room: roomId, count: 1, text: `said by ${name}` });
      await eventually(() => shown.includes(`said by ${name}`), WAIT_MS);
      await bob.write(roomId, 1, 'said by matrix-js-sdk');
      expect(await client.shows('said by matrix-js-sdk')).toMatchObject({ sender: bob.userId, encrypted: true, room: roomId });
    }, TEST_TIMEOUT_MS);

    it('sends and gets encrypted files', async () => {
      const { event } = await client.order('file', { room: roomId, count: 2, text: 'what is in the file' });
      expect(await client.shows('what is in the file')).toMatchObject({ event, type: 'm.file', encrypted: true, sender: userId });
    }, TEST_TIMEOUT_MS);

    it('follows an invitation to a room elsewhere', async () => {
      roomId = await bob.openRoom('Garden', userId);
      await eventually(() => client.order('join', { room: roomId }), WAIT_MS);
      await together();
      await bob.write(roomId, 2, 'said in the garden');
      expect(await client.shows('said in the garden')).toMatchObject({ encrypted: true, room: roomId });
    }, TEST_TIMEOUT_MS);

    it('goes on after a restart of its server', async () => {
      await net.server('a').stop();
      await net.server('a').start();
      await bob.write(roomId, 3, 'said while it was away');
      await client.shows('said while it was away');
      expect(client.unreadable).toEqual([]);
    }, TEST_TIMEOUT_MS);
  });
}
