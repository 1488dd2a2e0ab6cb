import { accountKey, firstHomeRecord, genesis, namedUserId, nextHomeRecord } from '#e2e';
import type { HomeEntry } from '#federation';
import { FakeClock } from '../../test/fake-clock.js';
import { FakeStorage } from '../../test/fake-storage.js';
import { Phonebook } from './phonebook.js';

const key = accountKey(new Uint8Array(32).fill(1));
const thief = accountKey(new Uint8Array(32).fill(2));
const start = genesis({ label: 'alice', serverName: 'a', recoveryKey: key.publicKey, accountKey: key.publicKey, createdTs: 0 });
const userId = namedUserId(start);
const home = (name: string, priority: number): HomeEntry => ({ server_name: name, key_id: 'ed25519:h', key: key.publicKey, priority });
const first = firstHomeRecord({ userId, genesis: start, homes: [home('a', 0)] }, key);
const second = nextHomeRecord(first, { add: [home('b', 10)] }, key);

describe('phonebook', () => {
  let storage: FakeStorage;
  let book: Phonebook;
  beforeEach(async () => {
    storage = new FakeStorage();
    book = await Phonebook.open(storage, new FakeClock());
    await book.addAccount({ userId, deviceId: 'D', deviceSecret: new Uint8Array(32), homes: [], record: first });
  });
  const reopened = (): Promise<Phonebook> => Phonebook.open(storage, new FakeClock());

  it('is there after a restart', async () => {
    await book.noteHome(userId, 'a', { baseUrl: 'https://a', accessToken: 't' });
    await book.noteReplicas(userId, '!r', ['a', 'b']);
    await book.pickHome(userId, 'a', '!r');
    await book.pickHome(userId, 'a');
    const again = await reopened();
    expect(again.account(userId)).toMatchObject({ deviceId: 'D', pickedHome: 'a', homes: [{ serverName: 'a', priority: 0, baseUrl: 'https://a', accessToken: 't' }] });
    expect(again.conversation(userId, '!r')).toMatchObject({ replicas: ['a', 'b'], pickedHome: 'a' });
  });

  it('takes a newer record, keeps what it knows of homes that stay, and forgets those that go', async () => {
    await book.noteHome(userId, 'a', { accessToken: 't' });
    expect(await book.takeRecord(userId, second)).toBe(true);
    expect(book.account(userId).homes).toEqual([{ serverName: 'a', priority: 0, accessToken: 't' }, { serverName: 'b', priority: 10 }]);
    expect(await book.takeRecord(userId, nextHomeRecord(second, { drop: ['a'] }, key))).toBe(true);
    expect((await reopened()).account(userId).homes).toEqual([{ serverName: 'b', priority: 10 }]);
  });

  it.each<[string, unknown]>([
    ['the one that it has', first],
    ['a forged one', { ...second, homes: [home('evil', 0)] }],
    ['one signed by somebody else', { ...second, signature: thief.sign('x') }],
    ['nonsense', 'x'],
  ])('does not take %s', async (_what, record) => {
    expect(await book.takeRecord(userId, record)).toBe(false);
    expect(book.account(userId).homes.map((entry) => entry.serverName)).toEqual(['a']);
  });

  it('does not take an older record', async () => {
    await book.takeRecord(userId, second);
    expect(await book.takeRecord(userId, first)).toBe(false);
  });

  it('writes what was changed last, however slow the storage', async () => {
    const releases: Array<() => void> = [];
    const set = storage.set.bind(storage);
    storage.set = async (name, value) => {
      await new Promise<void>((resolve) => releases.push(resolve));
      return set(name, value);
    };
    const writes = [book.noteHome(userId, 'a', { accessToken: '1' }), book.noteHome(userId, 'a', { accessToken: '2' })];
    const done = Promise.all(writes);
    while (releases.length === 0) await Promise.resolve();
    expect(releases).toHaveLength(1);
    releases.pop()?.();
    while (releases.length === 0) await Promise.resolve();
    releases.pop()?.();
    await done;
    expect((await reopened()).account(userId).homes[0]?.accessToken).toBe('2');
  });

  it('has an end', async () => {
    for (let i = 0; i < 31; i++) await book.addAccount({ userId: `@u${i}:a`, deviceId: 'D', deviceSecret: new Uint8Array(32), homes: [] });
    await expect(book.addAccount({ userId: '@u:a', deviceId: 'D', deviceSecret: new Uint8Array(32), homes: [] })).rejects.toThrow('32 accounts');
  });

  it.each([null, 'x', '[]', '{"accounts":[{"userId":5}],"conversations":7}'])('opens whatever is stored: %p', async (stored) => {
    storage.entries.clear();
    if (stored !== null) storage.entries.set('io.partyline.phonebook', stored);
    expect((await reopened()).accounts()).toEqual([]);
  });
});
