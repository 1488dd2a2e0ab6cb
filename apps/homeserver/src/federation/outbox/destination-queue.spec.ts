import { DestinationQueue, type QueueSurroundings, type Sent as Outcome, type Verdict } from './destination-queue.js';
import type { QueuedPdu } from './missed.store.js';

interface Sent {
  pdus: string[];
  edus: string[];
  txnId: string;
}

const pdu = (pos: number): QueuedPdu => ({ pos, eventId: `$${pos}`, json: `{"n":${pos}}` });
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => pdu(from + i));
const numbers = (sent: Sent[]) => sent.flatMap(({ pdus }) => pdus.map((text) => (JSON.parse(text) as { n: number }).n));

/** The other end and the database, as far as a queue can tell. */
class Surroundings implements QueueSurroundings {
  readonly sent: Sent[] = [];
  readonly stored: { id: number; json: string }[] = [];
  /** Own events in the database, for whoever was away. */
  database: QueuedPdu[] = [];
  acknowledgedIds: string[] = [];
  down = false;
  refuse: (transaction: Sent) => Verdict | undefined = () => undefined;
  downFailures = 0;
  #txn = 0;

  time = 1_000;
  /** Ids of events that cannot be taken now. */
  later = new Set<string>();
  /** Texts of which nobody can tell now whether the destination may get them. */
  held = new Set<string>();
  now = () => this.time;
  retryAt = () => (this.down ? 2_000 : 0);
  failures = () => this.downFailures;
  newTxnId = () => String(++this.#txn);
  head = () => this.database.at(-1)?.pos ?? 0;
  missed = async (_destination: string, cursor: number, upTo: number) => ({
    pdus: this.database.filter(({ pos }) => pos > cursor && pos <= upTo).slice(0, 1_000),
    upTo: Math.min(upTo, this.database.filter(({ pos }) => pos > cursor).slice(0, 1_000).at(-1)?.pos ?? upTo),
  });
  edus = async (_destination: string, limit: number, except: readonly number[]) => this.stored.filter(({ id }) => !except.includes(id)).slice(0, limit);
  deleteEdus = async (ids: readonly number[]) => {
    for (const id of ids) this.stored.splice(this.stored.findIndex((edu) => edu.id === id), 1);
  };
  acknowledged = (_destination: string, pdus: readonly QueuedPdu[]) => {
    this.acknowledgedIds.push(...pdus.map(({ eventId }) => eventId));
  };
  failed = () => {};
  verdict = (error: unknown) => (error as { verdict?: Verdict }).verdict ?? ({ kind: 'later' } as const);

  send = async (_destination: string, pdus: readonly string[], edus: readonly string[], txnId: string): Promise<Outcome> => {
    await new Promise(setImmediate);
    const transaction = { pdus: [...pdus], edus: [...edus], txnId };
    if (this.down) {
      this.downFailures++;
      throw new Error('down');
    }
    const verdict = this.refuse(transaction);
    if (verdict) throw Object.assign(new Error('refused'), { verdict });
    const isHeld = (text: string): boolean => this.held.has(text);
    const held = new Set([...pdus, ...edus].filter(isHeld));
    transaction.pdus = transaction.pdus.filter((text) => !isHeld(text));
    transaction.edus = transaction.edus.filter((text) => !isHeld(text));
    if (transaction.pdus.length + transaction.edus.length === 0) return { results: {}, held };
    this.sent.push(transaction);
    const ids = pdus.map((text) => `$${(JSON.parse(text) as { n: number }).n}`);
    return { held, results: Object.fromEntries(ids.map((id) => [id, this.later.has(id) ? { error: 'not now', later: true } : {}])) };
  };
}

/** Lets a queue work until there is nothing that it could do now. */
async function drain(queue: DestinationQueue): Promise<void> {
  queue.wake();
  for (let i = 0; i < 2_000 && !queue.isIdle; i++) await new Promise(setImmediate);
}

describe('DestinationQueue', () => {
  let world: Surroundings;
  let queue: DestinationQueue;
  beforeEach(() => {
    world = new Surroundings();
    queue = new DestinationQueue('b.example', world);
  });
  afterEach(() => queue.stop());

  it('sends in order, at most 50 events and 100 EDUs at a time', async () => {
    for (const one of range(1, 120)) queue.add(one);
    for (let i = 0; i < 150; i++) queue.addVolatile(`{"e":${i}}`);
    await drain(queue);
    expect(numbers(world.sent)).toEqual(range(1, 120).map(({ pos }) => pos));
    expect(world.sent.map(({ pdus }) => pdus.length)).toEqual([50, 50, 20]);
    expect(world.sent.map(({ edus }) => edus.length)).toEqual([100, 50, 0]);
    expect(new Set(world.sent.map(({ txnId }) => txnId)).size).toBe(3);
    expect(queue.floor).toBeNull();
  });

  it('goes by position when two rooms come in the wrong order', async () => {
    for (const pos of [3, 1, 2]) queue.add(pdu(pos));
    await drain(queue);
    expect(numbers(world.sent)).toEqual([1, 2, 3]);
  });

  it('keeps the transaction and its id until it has arrived', async () => {
    let attempts = 0;
    const ids = new Set<string>();
    world.refuse = ({ txnId }) => {
      ids.add(txnId);
      return ++attempts === 1 ? { kind: 'later', afterMs: 0 } : undefined;
    };
    queue.add(pdu(7));
    queue.wake();
    for (let i = 0; i < 100 && attempts < 1; i++) await new Promise(setImmediate);
    queue.add(pdu(8));
    expect(queue.floor).toBe(6);
    await drain(queue);
    expect([...ids][0]).toBe(world.sent[0]!.txnId);
    expect(world.sent[0]!.pdus).toEqual([pdu(7).json]);
    expect(numbers(world.sent)).toEqual([7, 8]);
  });

  it('leaves a destination alone while its back-off lasts, and drops what is best effort', async () => {
    world.down = true;
    queue.add(pdu(1));
    queue.addVolatile('{}');
    await drain(queue);
    expect(world.downFailures).toBe(0);
    world.down = false;
    await drain(queue);
    expect(world.sent.map(({ edus }) => edus.length)).toEqual([0]);
    expect(numbers(world.sent)).toEqual([1]);
  });

  it('keeps 1,000 events in memory and reads the rest from the database, none lost or repeated', async () => {
    world.down = true;
    world.database = range(1, 2_300);
    for (const one of world.database) queue.add(one);
    expect(queue.floor).toBe(0);
    world.down = false;
    await drain(queue);
    expect(numbers(world.sent)).toEqual(range(1, 2_300).map(({ pos }) => pos));
    expect(queue.isIdle).toBe(true);
  });

  it('resumes from the database, with events that are added meanwhile', async () => {
    world.database = range(1, 60);
    queue.addMissed(20, 60);
    expect(queue.floor).toBe(20);
    queue.wake();
    world.database.push(pdu(61));
    queue.add(pdu(61));
    await drain(queue);
    queue.add(pdu(62));
    await drain(queue);
    expect(numbers(world.sent)).toEqual(range(21, 62).map(({ pos }) => pos));
  });

  it('deletes stored EDUs when they have arrived and not before', async () => {
    for (let id = 1; id <= 130; id++) world.stored.push({ id, json: `{"id":${id}}` });
    world.refuse = () => ({ kind: 'later', afterMs: 60_000 });
    queue.addStored();
    queue.wake();
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    expect(world.stored.length).toBe(130);
    await queue.stop();

    world.refuse = () => undefined;
    const next = new DestinationQueue('b.example', world);
    next.addStored();
    await drain(next);
    expect(world.stored).toEqual([]);
    expect(world.sent.flatMap(({ edus }) => edus).map((text) => (JSON.parse(text) as { id: number }).id)).toEqual(
      Array.from({ length: 130 }, (_, i) => i + 1),
    );
  });

  it('finds the event that the destination refuses and leaves out only that', async () => {
    world.refuse = ({ pdus }) => (pdus.includes(pdu(33).json) ? { kind: 'smaller' } : undefined);
    for (const one of range(1, 70)) queue.add(one);
    await drain(queue);
    expect(numbers(world.sent)).toEqual(range(1, 70).map(({ pos }) => pos).filter((pos) => pos !== 33));
    expect(queue.floor).toBeNull();
  });

  describe('asked for events later', () => {
    const inRoom = (pos: number, room: string): QueuedPdu => ({ ...pdu(pos), json: JSON.stringify({ n: pos, room_id: room }) });

    it('sends the newest of each room again, ever more rarely, and holds up nothing else', async () => {
      world.later = new Set(['$1', '$2', '$3']);
      for (const item of [inRoom(1, '!a'), inRoom(2, '!a'), inRoom(3, '!b'), inRoom(4, '!c')]) queue.add(item);
      await drain(queue);
      expect(numbers(world.sent)).toEqual([1, 2, 3, 4]);
      expect(queue.floor).toBe(1);
      queue.add(inRoom(5, '!c'));
      await drain(queue);
      expect(numbers(world.sent.splice(0))).toEqual([1, 2, 3, 4, 5]);
      world.time += 1_000;
      await drain(queue);
      expect(numbers(world.sent.splice(0))).toEqual([2, 3]);
      world.time += 1_999;
      await drain(queue);
      expect(numbers(world.sent)).toEqual([]);
      world.time += 1;
      world.later.clear();
      await drain(queue);
      expect(numbers(world.sent)).toEqual([2, 3]);
      expect(queue.isIdle).toBe(true);
      expect(queue.floor).toBeNull();
    });

    it('keeps what nobody can tell of, and sends the rest', async () => {
      queue.add(pdu(1));
      queue.add(pdu(2));
      world.stored.push({ id: 1, json: '"held"' }, { id: 2, json: '"good"' });
      queue.addStored();
      world.held = new Set([pdu(1).json, '"held"']);
      await drain(queue);
      expect([numbers(world.sent), world.sent.flatMap(({ edus }) => edus), world.stored.map(({ id }) => id)]).toEqual([[2], ['"good"'], [1]]);
      world.held.clear();
      world.time += 60_000;
      await drain(queue);
      expect([numbers(world.sent), world.sent.flatMap(({ edus }) => edus), world.stored]).toEqual([[2, 1], ['"good"', '"held"'], []]);
      expect(queue.isIdle).toBe(true);
    });

    it('sends an event of before at once, also to who is far behind', async () => {
      queue.addMissed(10, 12);
      world.database = [inRoom(11, '!b'), inRoom(12, '!b')];
      queue.addEarlier(inRoom(5, '!a'));
      expect(queue.floor).toBe(4);
      await drain(queue);
      expect(numbers(world.sent)).toEqual([5, 11, 12]);
      expect(queue.isIdle).toBe(true);
    });

    it('gives up after a day', async () => {
      world.later = new Set(['$1']);
      queue.add(inRoom(1, '!a'));
      for (let i = 0; i < 1_600 && !queue.isIdle; i++) {
        world.time += 60_000;
        queue.wake();
        for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
      }
      expect(queue.isIdle).toBe(true);
      expect(world.sent.length).toBe(1_500);
    });
  });
});
