import { EduHandlers } from '../../apps/homeserver/src/federation/edu-handlers.js';
import { FederationClient } from '../../apps/homeserver/src/federation/federation-client.js';
import { Destinations } from '../../apps/homeserver/src/federation/outgoing/destinations.js';
import { EduOutbox } from '../../apps/homeserver/src/federation/outbox/edu-outbox.js';
import { Outbox } from '../../apps/homeserver/src/federation/outbox/outbox.js';
import { PduOutbox } from '../../apps/homeserver/src/federation/outbox/pdu-outbox.js';
import { Clock } from '../../apps/homeserver/src/observability/clock.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { StreamPositions } from '../../apps/homeserver/src/storage/stream-positions.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { CommittedRoom } from './committed-room.js';
import { RecordingReceiver, TransportModule } from './transport-module.js';

const cursors = statement('test.cursors', 'SELECT destination, acked_pos FROM federation_cursors');
const settledPos = statement('test.settled', 'SELECT settled_pos FROM federation_outbox');

describe('the outgoing queues', () => {
  let net: Network;
  let a: TestServer;
  let b: TestServer;
  let room: CommittedRoom;
  beforeEach(async () => {
    net = await Network.start({ servers: 2, rootModule: TransportModule });
    [a, b] = [net.server('a'), net.server('b')];
    room = await CommittedRoom.create(a);
    await room.member(`@alice:${a.name}`, 'join', { destinations: [] });
    await room.member(`@bob:${b.name}`, 'join', { destinations: [] });
    await settle();
  });
  afterEach(() => net.stop());

  /** Ticks until it is noted that all have everything, but for those that are behind: an answer may come after what it answers was received. */
  const settle = (...behind: TestServer[]) => eventually(async () => {
    await a.get(Outbox).tick();
    const [row] = await a.get(Database).query<{ settled_pos: number }>(settledPos);
    const left = (await a.get(Database).query<{ destination: string }>(cursors)).map(({ destination }) => destination);
    return Number(row!.settled_pos) >= a.get(StreamPositions).current('events') && left.sort().join() === behind.map(({ name }) => name).sort().join();
  });
  const received = (server: TestServer) => server.get(RecordingReceiver).received.map(({ eventId }) => eventId);
  const gets = (server: TestServer, ids: readonly string[]) =>
    eventually(() => {
      expect(received(server)).toEqual(expect.arrayContaining([...ids]));
      return true;
    });
  /** A signed request: b shows that it is alive. */
  const speak = (from: TestServer, to: TestServer) =>
    from.get(FederationClient).request({
      destination: to.name, method: 'PUT', path: `/_matrix/federation/v1/send/${Math.random()}`, body: { origin: from.name, origin_server_ts: Date.now(), pdus: [] }, ignoreBackoff: true,
    });

  it('deliver in order, once, and tell who has taken an event', async () => {
    const ids = await room.messages(120, [b.name]);
    expect(await a.get(PduOutbox).waitForReplicas(ids.at(-1)!, 1, 10_000)).toEqual([b.name]);
    expect(received(b)).toEqual(ids);
    expect(await a.get(PduOutbox).waitForReplicas(ids[0]!, 1, 10_000)).toEqual([b.name]);
    expect(await a.get(PduOutbox).waitForReplicas('$unknown', 1, 1)).toEqual([]);
  });

  it('do not count an event as taken that was refused', async () => {
    const send = b.get(RecordingReceiver);
    send.receive = async (_origin, pdus) => Object.fromEntries((pdus as { event_id: string }[]).map((pdu) => [pdu.event_id, { error: 'no' }]));
    const id = await room.message([b.name]);
    expect(await a.get(PduOutbox).waitForReplicas(id, 1, 300)).toEqual([]);
  });

  it('do not let senders wait for servers that are down', async () => {
    await b.stop();
    await room.message([b.name]);
    await eventually(() => a.get(Destinations).failures(b.name) >= 1);
    const id = await room.message([b.name]);
    expect(await within(5_000, () => a.get(PduOutbox).waitForReplicas(id, 1, 20_000, [b.name]))).toEqual([]);
  });

  it('write nothing per event', async () => {
    const db = a.get(Database);
    await room.messages(1, [b.name]).then((ids) => gets(b, ids));
    await a.get(Outbox).tick();
    const written = (): number => db.counters.statements + db.counters.transactions;
    const [before, started] = [written(), performance.now()];
    const ids = await room.messages(50, [b.name]);
    await gets(b, ids);
    // Fifty transactions are the test's own; some statements come with the seconds, of which a busy machine takes more.
    expect(written() - before).toBeLessThan(50 + 10 + (4 * (performance.now() - started)) / 1_000);
  });

  it('wait for a server that is away, and go on at once when it speaks', async () => {
    await b.stop();
    const ids = await room.messages(60, [b.name]);
    await eventually(() => a.get(Destinations).failures(b.name) >= 2 && a.get(Destinations).retryAt(b.name) > a.get(Clock).steady());
    await b.start();
    await speak(b, a);
    await gets(b, ids);
    expect(received(b)).toEqual(ids);
    expect(a.get(Destinations).failures(b.name)).toBe(0);
    expect(a.get(Destinations).lastContact(b.name)).toBeGreaterThan(Date.now() - 60_000);
  });

  it('leave a server alone that failed, over a restart too', async () => {
    await b.stop();
    await room.message([b.name]);
    await eventually(() => a.get(Destinations).failures(b.name) >= 1);
    const retryAt = a.get(Destinations).retryAt(b.name);
    await a.restart();
    expect(a.get(Destinations).failures(b.name)).toBeGreaterThanOrEqual(1);
    expect(a.get(Destinations).retryAt(b.name)).toBeGreaterThanOrEqual(retryAt);
  });

  it('deliver what was committed and not sent when the process was killed', async () => {
    const sent = await room.messages(3, [b.name]);
    await gets(b, sent);
    const unsent = await room.messages(5);
    await a.crash();
    await a.start();
    await gets(b, unsent);
    expect(received(b).filter((id) => unsent.includes(id))).toEqual(unsent);
  });

  it('remember who is behind while the others go on', async () => {
    const c = await net.add('c');
    await room.member(`@carol:${c.name}`, 'join', { destinations: [] });
    await settle();
    await b.stop();
    const ids = await room.messages(5, [b.name, c.name]);
    await gets(c, ids);
    await settle(b);
    await a.crash();
    await a.start();
    await b.start();
    await speak(b, a);
    await gets(b, ids);
    expect(received(b)).toEqual(ids);
    // Nothing is sent again to the one that had it all.
    expect(received(c)).toEqual(ids);
    await eventually(async () => {
      await a.get(Outbox).tick();
      return (await a.get(Database).query(cursors)).length === 0;
    });
  });

  it('send only the newest event of each room to a server that was away for very long', async () => {
    const other = await CommittedRoom.create(a);
    await other.member(`@bob:${b.name}`, 'join', { destinations: [] });
    await settle();
    await b.stop();
    const quiet = await other.message();
    const busy = await room.messages(1_100);
    await a.crash();
    await a.start();
    await b.start();
    await speak(b, a);
    await gets(b, [quiet, busy.at(-1)!]);
    expect(received(b)).toEqual([quiet, busy.at(-1)]);
  });

  it('give a server that was away the event that removed its user and nothing that came later', async () => {
    await gets(b, await room.messages(1, [b.name]));
    await settle();
    await b.stop();
    const before = await room.message();
    const kick = await room.member(`@bob:${b.name}`, 'leave');
    await room.messages(3);
    await a.crash();
    await a.start();
    await b.start();
    await speak(b, a);
    await gets(b, [before, kick]);
    const marker = await room.message([b.name]);
    await gets(b, [marker]);
    expect(received(b)).toEqual([before, kick, marker]);
  });

  it('go by the homes in portable rooms, not by the domain', async () => {
    const c = await net.add('c');
    const portable = await CommittedRoom.create(a, 'io.partyline.1');
    await portable.member(`@dora:${c.name}`, 'join', { homes: [b.name], destinations: [] });
    const ids = await portable.messages(2);
    await a.crash();
    await a.start();
    await gets(b, ids);
    const later = await (await CommittedRoom.create(a)).message([c.name]);
    await gets(c, [later]);
    expect(received(c)).toEqual([later]);
  });

  describe('EDUs', () => {
    const collect = (server: TestServer): unknown[] => {
      const seen: unknown[] = [];
      server.get(EduHandlers).register('m.test', async (_origin, content) => void seen.push(content['n']));
      return seen;
    };
    const edu = (n: number) => ({ edu_type: 'm.test', content: { n } });

    it('that are best effort arrive in order', async () => {
      const seen = collect(b);
      for (let n = 0; n < 5; n++) a.get(EduOutbox).send(b.name, edu(n));
      await eventually(() => seen.length === 5);
      expect(seen).toEqual([0, 1, 2, 3, 4]);
    });

    it('that are reliable survive both ends being away', async () => {
      await b.stop();
      for (let n = 0; n < 3; n++) {
        await a.get(Database).transaction((tx) => a.get(EduOutbox).sendReliable(tx, [b.name, a.name], edu(n)));
      }
      await a.crash();
      await a.start();
      await b.start();
      const seen = collect(b);
      await speak(b, a);
      await eventually(() => seen.length === 3);
      expect(seen).toEqual([0, 1, 2]);
    });

    it('are replaced by later ones of the same key, and not sent when the transaction is rolled back', async () => {
      await b.stop();
      const db = a.get(Database);
      // In one transaction: what a tick finds between two of them is on its way already.
      await db.transaction(async (tx) => {
        await a.get(EduOutbox).sendReliable(tx, [b.name], edu(1), { key: 'k' });
        await a.get(EduOutbox).sendReliable(tx, [b.name], edu(2));
        await a.get(EduOutbox).sendReliable(tx, [b.name], edu(3), { key: 'k' });
      });
      await expect(
        db.transaction(async (tx) => {
          await a.get(EduOutbox).sendReliable(tx, [b.name], edu(4));
          throw new Error('rolled back');
        }),
      ).rejects.toThrow('rolled back');
      await b.start();
      const seen = collect(b);
      // Nobody has reported the commits; the next tick finds them.
      await a.get(Outbox).tick();
      await speak(b, a);
      await eventually(() => seen.length >= 2);
      expect(seen).toEqual([2, 3]);
      await eventually(async () => (await db.query(statement('test.edus', 'SELECT id FROM outbound_edus'))).length === 0);
    });
  });
});
