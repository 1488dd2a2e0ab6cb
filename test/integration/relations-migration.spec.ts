import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { Network } from '../network/network.js';
import { RelatingRoom } from '../network/relating.js';
import type { TestServer } from '../network/test-server.js';

const rows = statement('test.relations', 'SELECT * FROM event_relations ORDER BY room_nid, parent_id, pos');
const threads = statement('test.threads', 'SELECT * FROM threads ORDER BY room_nid, root_id');
const drop = ['event_relations', 'threads'].map((table) => ({ ...statement(`test.drop.${table}`, `DROP TABLE ${table}`), writes: true }));
const forget = { ...statement('test.forget', `DELETE FROM migrations WHERE name LIKE '0038-%' OR name LIKE '0039-%'`), writes: true };

let net: Network;
let server: TestServer;
beforeAll(async () => {
  net = await Network.start();
  server = net.server('a');
});
afterAll(() => net.stop());

it('events that are here when the program becomes new relate to each other as before', async () => {
  const alice = await net.client().register('alice');
  const room = await RelatingRoom.create(alice);
  const root = await room.say(alice, 'root \u0000 with what PostgreSQL does not read');
  await room.reply(alice, root, 'a reply with \u0000');
  await room.edit(alice, root, 'edited');
  await room.say(alice, 'nothing new', { rel_type: 'm.replace', event_id: root });
  await room.react(alice, root, '👍');
  await room.react(alice, root, 'x'.repeat(600));
  await room.redact(alice, await room.reply(alice, root, 'redacted'));
  for (const relation of [{ rel_type: 'm.thread' }, { event_id: root }, { rel_type: 3, event_id: root }, { rel_type: 'x'.repeat(300), event_id: root }, 'text', []]) {
    await room.say(alice, 'malformed', relation);
  }
  await room.send(alice, 'm.room.encrypted', { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'x', 'm.relates_to': { rel_type: 'm.replace', event_id: root } });
  const expected = await server.get(Database).query(rows);
  const expectedThreads = await server.get(Database).query(threads);
  expect([expected.length, expectedThreads.length]).toEqual([6, 1]);
  for (const one of drop) await server.get(Database).query(one);
  await server.get(Database).query(forget);
  await server.restart();
  expect(await server.get(Database).query(rows)).toEqual(expected);
  expect(await server.get(Database).query(threads)).toEqual(expectedThreads);
  expect((await room.event(alice, root)).unsigned['m.relations']).toMatchObject({ 'm.thread': { count: 1 }, 'm.replace': expect.anything() });
});
