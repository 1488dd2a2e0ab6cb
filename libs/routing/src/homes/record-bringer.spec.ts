import { accountKey, firstHomeRecord, genesis, namedUserId, nextHomeRecord } from '#e2e';
import type { HomeEntry } from '#federation';
import { FakeClock } from '../../test/fake-clock.js';
import { FakeStorage } from '../../test/fake-storage.js';
import { HomeHealth } from '../health/home-health.js';
import { Phonebook } from '../phonebook/phonebook.js';
import { HomeTransport } from './home-transport.js';
import { RecordBringer } from './record-bringer.js';

const key = accountKey(new Uint8Array(32).fill(1));
const start = genesis({ label: 'alice', serverName: 'a', recoveryKey: key.publicKey, accountKey: key.publicKey, createdTs: 0 });
const userId = namedUserId(start);
const home = (name: string): HomeEntry => ({ server_name: name, key_id: 'ed25519:h', key: key.publicKey, priority: 0 });
const first = firstHomeRecord({ userId, genesis: start, homes: [home('a'), home('b'), home('c')] }, key);
const second = nextHomeRecord(first, { drop: ['c'] }, key);

describe('the highest record', () => {
  const asked: string[] = [];
  let answer: () => Response;
  let book: Phonebook;
  let bringer: RecordBringer;
  beforeEach(async () => {
    asked.length = 0;
    answer = () => Response.json({ record: first, told: ['a', 'b'] });
    const clock = new FakeClock();
    book = await Phonebook.open(new FakeStorage(), clock);
    await book.addAccount({ userId, deviceId: 'D', deviceSecret: new Uint8Array(32), homes: [], record: first });
    const transport = new HomeTransport({
      fetch: async (input) => (asked.push(String(input)), answer()),
      clock, health: new HomeHealth(clock, () => undefined), homes: () => ['a', 'b', 'c'], baseUrl: async (name) => `https://${name}`,
    });
    bringer = new RecordBringer({ transport, phonebook: book, userId });
  });

  it('is brought to each home once, and not to those that were told', async () => {
    for (const name of ['a', 'b', 'c', 'a']) await bringer.bring(name);
    expect(asked.map((url) => new URL(url).hostname)).toEqual(['a', 'c']);
  });

  it('is brought again to a home that failed', async () => {
    answer = () => new Response('{}', { status: 500 });
    await bringer.bring('b');
    answer = () => Response.json({ record: first, told: [] });
    await bringer.bring('b');
    expect(asked).toHaveLength(2);
  });

  it('is replaced by the higher one that a home has', async () => {
    answer = () => Response.json({ errcode: 'IO_PARTYLINE_STALE_RECORD', record: second }, { status: 409 });
    await bringer.bring('b');
    expect(book.account(userId).record).toEqual(second);
  });
});
