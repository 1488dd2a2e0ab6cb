import { accountKey, compareHomeRecords, firstHomeRecord, genesis, loginProofText, mergedHomeRecord, namedUserId, nextHomeRecord } from '#e2e';
import type { HomeEntry, HomeRecord } from '#federation';
import { FakeClock } from '../../test/fake-clock.js';
import { FakeStorage } from '../../test/fake-storage.js';
import { HomeHealth } from '../health/home-health.js';
import { Phonebook } from '../phonebook/phonebook.js';
import { HomeTransport } from './home-transport.js';
import { RecordBringer } from './record-bringer.js';

const key = accountKey(new Uint8Array(32).fill(1));
const start = genesis({ label: 'alice', serverName: 'a', recoveryKey: key.publicKey, accountKey: key.publicKey, createdTs: 0 });
const userId = namedUserId(start);
const home = (name: string): HomeEntry => ({ server_name: name, key_id: 'ed25519:h', key: accountKey(new Uint8Array(32).fill(name.charCodeAt(0))).publicKey, priority: 0 });
const first = firstHomeRecord({ userId, genesis: start, homes: [home('a'), home('b'), home('c')] }, key);
const second = nextHomeRecord(first, { drop: ['c'] }, key);

describe('the highest record', () => {
  const asked: string[] = [];
  const sent: unknown[] = [];
  const bodies: unknown[] = [];
  let transport: HomeTransport;
  let answer: () => Response;
  let sign: (text: string) => string | Promise<string>;
  let book: Phonebook;
  let bringer: RecordBringer;
  beforeEach(async () => {
    asked.length = 0;
    sent.length = 0;
    bodies.length = 0;
    sign = (text) => key.sign(text);
    answer = () => Response.json({ record: first, told: ['a', 'b'] });
    const clock = new FakeClock();
    book = await Phonebook.open(new FakeStorage(), clock);
    await book.addAccount({ userId, deviceId: 'D', deviceSecret: new Uint8Array(32), homes: [], record: first });
    transport = new HomeTransport({
      fetch: async (input, init) => {
        asked.push(String(input));
        const body = init?.body ? JSON.parse(String(init.body)) as { record: unknown } : null;
        bodies.push(body);
        sent.push(body?.record);
        return answer();
      },
      clock, health: new HomeHealth(clock, () => undefined), homes: () => ['a', 'b', 'c'], baseUrl: async (name) => `https://${name}`,
    });
    bringer = new RecordBringer({ transport, phonebook: book, userId, sign: (text) => sign(text) });
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

  describe('at a home where the client has not logged in yet', () => {
    const seen = { '!room': ['$1', '$2'] };
    const nonce = (): Response => Response.json({ nonce: 'once' });
    beforeEach(() => {
      bringer = new RecordBringer({ transport, phonebook: book, userId, sign: (text) => sign(text), seen: async () => seen });
      answer = () => (asked.at(-1)!.endsWith('/nonce') ? nonce() : Response.json({ record: first, told: [] }));
    });

    it('comes with what the app has seen, and the proof that a home wants for that', async () => {
      await bringer.bring('b');
      expect(asked.map((url) => new URL(url).pathname.split('/').pop())).toEqual(['nonce', 'record']);
      expect(bodies.at(-1)).toEqual({ record: first, seen, nonce: 'once', signature: key.sign(loginProofText('once', userId, 'b')) });
    });

    it('comes without where the home gives no nonce, and where the client has been', async () => {
      answer = () => (asked.at(-1)!.endsWith('/nonce') ? new Response('{}', { status: 404 }) : Response.json({ record: first, told: [] }));
      await bringer.bring('b');
      await book.noteHome(userId, 'c', { accessToken: 'token' });
      await bringer.bring('c');
      expect(bodies.filter((body) => body !== null)).toEqual([{ record: first }, { record: first }]);
    });
  });

  describe('when two devices have signed apart', () => {
    const added = nextHomeRecord(first, { add: [home('d')] }, key);
    const dropped = nextHomeRecord(first, { drop: ['c'] }, key);
    const [lower, higher] = compareHomeRecords(added, dropped) < 0 ? [added, dropped] : [dropped, added];
    const stale = (record: HomeRecord): Response => Response.json({ errcode: 'IO_PARTYLINE_STALE_RECORD', record }, { status: 409 });
    /** Takes whatever is higher than what it has, as a home does. */
    const homeWith = (record: HomeRecord) => () => {
      const brought = sent.at(-1) as HomeRecord;
      return compareHomeRecords(brought, record) < 0 ? stale(record) : Response.json({ record: brought, told: [] });
    };

    it('signs what follows both, and brings it', async () => {
      await book.takeRecord(userId, lower);
      answer = homeWith(higher);
      await bringer.bring('b');
      const merged = mergedHomeRecord(lower, higher, first, key);
      expect(merged.homes.map((one) => one.server_name)).toEqual(['a', 'b', 'd']);
      expect(sent).toEqual([lower, merged]);
      expect(book.account(userId)).toMatchObject({ record: merged, former: higher });
    });

    it('does so when it sees the lower one, too, to the same byte', async () => {
      await book.takeRecord(userId, higher);
      expect(await bringer.take(lower)).toBe(true);
      expect(book.account(userId).record).toEqual(mergedHomeRecord(lower, higher, first, key));
    });

    it('does so when a home that took the higher one knows of the lower', async () => {
      await book.takeRecord(userId, higher);
      answer = () => Response.json({ record: sent.at(-1), told: [], ...(sent.length === 1 && { rivals: [lower] }) });
      await bringer.bring('b');
      const merged = mergedHomeRecord(lower, higher, first, key);
      expect(sent).toEqual([higher, merged]);
      expect(book.account(userId).record).toEqual(merged);
    });

    it('leaves out what the other device dropped, though more was signed since', async () => {
      const later = nextHomeRecord(nextHomeRecord(added, {}, key), {}, key);
      await book.takeRecord(userId, later);
      expect(await bringer.take(dropped)).toBe(true);
      expect(book.account(userId).record?.homes.map((one) => one.server_name)).toEqual(['a', 'b', 'd']);
    });

    it('keeps only the homes that both name if it does not know what they were made from', async () => {
      await book.addAccount({ userId, deviceId: 'D', deviceSecret: new Uint8Array(32), homes: [], record: lower });
      await bringer.take(higher);
      expect(book.account(userId).record?.homes.map((one) => one.server_name)).toEqual(['a', 'b']);
    });

    it.each<[string, () => string | Promise<string>]>([
      ['signs with another key', () => accountKey(new Uint8Array(32).fill(2)).sign('x')],
      ['cannot sign now', () => Promise.reject(new Error('locked'))],
    ])('takes the higher one where the app %s', async (_what, signs) => {
      sign = signs;
      await book.takeRecord(userId, lower);
      answer = homeWith(higher);
      await bringer.bring('b');
      expect(book.account(userId).record).toEqual(higher);
      expect(sent).toEqual([lower]);
    });

    it('does not merge what may have been made from its own', async () => {
      const later = nextHomeRecord(nextHomeRecord(dropped, { drop: ['b'] }, key), {}, key);
      await book.takeRecord(userId, dropped);
      answer = homeWith(later);
      await bringer.bring('a');
      expect(book.account(userId).record).toEqual(later);
    });
  });
});
