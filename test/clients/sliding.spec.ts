import { ClientEvent, createClient, type MatrixClient, type MatrixEvent, MatrixEventEvent, MsgType, PendingEventOrdering, Preset, RoomEvent } from 'matrix-js-sdk';
import { SlidingSync } from 'matrix-js-sdk/lib/sliding-sync.js';
import { type OwnedAccount, recordWithHome, register, registerOwned, type Session } from '../../apps/homeserver/src/demo/account.js';
import { ask } from '../../apps/homeserver/src/demo/ask.js';
import { appBaseUrl, routed, takeRecord, type Routed } from '../../apps/homeserver/src/demo/router.js';
import { silentLogger } from '../../apps/homeserver/src/demo/silent-logger.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { TestServer } from '../network/test-server.js';
import { quietSdk } from './quiet-sdk.js';

const recordPath = '/_matrix/client/unstable/io.partyline/account/record';
const WAIT_MS = 30_000;

quietSdk();

/** An encrypting client that syncs as Element X does, with matrix-js-sdk. */
class Slider {
  readonly said: string[] = [];

  private constructor(
    readonly client: MatrixClient,
    readonly sliding: SlidingSync,
  ) {
    client.on(RoomEvent.Timeline, (event, _room, toStart, removed, data) => {
      if (!removed && !toStart && data.liveEvent) this.#arrived(event);
    });
  }

  /** Notes what was said, when it can be read. */
  #arrived(event: MatrixEvent): void {
    const take = (): boolean => {
      const { body } = event.getContent();
      if (event.isDecryptionFailure() || typeof body !== 'string') return false;
      this.said.push(body);
      event.off(MatrixEventEvent.Decrypted, take);
      return true;
    };
    if (!take() && event.isEncrypted()) event.on(MatrixEventEvent.Decrypted, take);
  }

  static async enter({ userId, deviceId, accessToken }: Session, baseUrl: string, fetchFn?: typeof globalThis.fetch): Promise<Slider> {
    const client = createClient({ baseUrl, userId, deviceId, accessToken, logger: silentLogger, disableVoip: true, ...(fetchFn ? { fetchFn } : {}) });
    await client.initRustCrypto({ useIndexedDB: false });
    const list = { ranges: [[0, 19]], timeline_limit: 20, required_state: [['*', '*']], filters: {} };
    const sliding = new SlidingSync(baseUrl, new Map([['all', list]]), { timeline_limit: 20, required_state: [['*', '*']] }, client, 20_000);
    const slider = new Slider(client, sliding);
    const synced = new Promise<void>((resolve) => void client.on(ClientEvent.Sync, (state) => void (state === 'PREPARED' && resolve())));
    await client.startClient({ slidingSync: sliding, pendingEventOrdering: PendingEventOrdering.Detached });
    await synced;
    return slider;
  }

  get userId(): string {
    return this.client.getUserId()!;
  }

  say(roomId: string, body: string): Promise<unknown> {
    return this.client.sendMessage(roomId, { msgtype: MsgType.Text, body });
  }

  /** Waits until the client knows the other's device, so that it encrypts for it. */
  sees(roomId: string, other: Slider): Promise<unknown> {
    return eventually(async () => {
      const room = this.client.getRoom(roomId);
      if (!room?.hasEncryptionStateEvent() || room.getJoinedMemberCount() !== 2) return false;
      const devices = await this.client.getCrypto()!.getUserDeviceInfo([other.userId], true);
      return devices.get(other.userId)?.has(other.client.getDeviceId()!) === true;
    }, WAIT_MS);
  }

  heard(body: string): Promise<unknown> {
    return eventually(() => this.said.includes(body), WAIT_MS);
  }
}

let net: Network;
let account: OwnedAccount;
let phone: Routed;
let alice: Slider;
let bob: Slider;
const place = (server: TestServer) => ({ serverName: server.name, url: server.url });

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  const [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
  account = await registerOwned(place(a), 'alice', 'PHONE', Date.now());
  phone = await routed(account, place(a), { replicas: 2 });
  const record = await recordWithHome(account, place(b), 10);
  await ask(a.url, { method: 'PUT', path: recordPath, accessToken: account.accessToken, body: { record } });
  account = { ...account, record };
  await takeRecord(phone, record, [place(b)]);
  alice = await Slider.enter(account, appBaseUrl, phone.router.fetch);
  bob = await Slider.enter(await register(place(c), 'bob', 'LAPTOP'), c.url);
}, 60_000);
afterAll(async () => {
  for (const one of [alice, bob]) one?.client.stopClient();
  phone?.router.close();
  await net?.stop();
});

it('talks encrypted over sliding sync, and goes on when its home dies', async () => {
  const { room_id: roomId } = await alice.client.createRoom({
    name: 'Boathouse', preset: Preset.TrustedPrivateChat, invite: [bob.userId],
    initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  });
  await eventually(() => bob.client.getRoom(roomId)?.getMyMembership() === 'invite', WAIT_MS);
  await bob.client.joinRoom(roomId);
  await Promise.all([alice.sees(roomId, bob), bob.sees(roomId, alice)]);
  expect(bob.client.getRoom(roomId)!.name).toBe('Boathouse');
  await alice.say(roomId, 'one');
  await bob.heard('one');
  await bob.say(roomId, 'two');
  await alice.heard('two');
  await net.server('a').crash();
  await bob.say(roomId, 'three');
  await alice.heard('three');
  await alice.say(roomId, 'four');
  await bob.heard('four');
  // Each message once.
  for (const { said } of [alice, bob]) expect(said.toSorted()).toEqual([...new Set(said)].toSorted());
}, 120_000);
