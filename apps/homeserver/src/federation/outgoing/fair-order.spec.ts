import fc from 'fast-check';
import { FairOrder, type Errand, type FairLimits, type FairShares, type Ticket } from './fair-order.js';

const small: FairLimits = {
  all: { quick: 4, fresh: 2, slow: 2, overdue: 6 }, account: { quick: 3, fresh: 2, slow: 1, overdue: 4 }, perDestination: 2, waiting: 1_000, waitingPerAccount: 1_000, bytes: 1_000, bytesPerAccount: 300,
};

/** One at a time to servers that answer. */
const narrow: FairLimits = { ...small, all: { ...small.all, quick: 1 }, perDestination: 100 };

type Pace = 'quick' | 'fresh' | 'slow';

/** Runs an order and keeps the books a second time, plainly. */
class Desk {
  readonly running = new Set<Ticket>();
  readonly waiting = new Set<Ticket>();
  readonly begun: Ticket[] = [];
  readonly #paces = new Map<string, 'quick' | 'slow'>();
  /** As what each piece that runs is counted. */
  readonly counted = new Map<Ticket, Pace>();
  readonly order: FairOrder;
  constructor(readonly limits: FairLimits = small) {
    this.order = new FairOrder(limits);
  }

  enter(errand: Errand): Ticket {
    let isBegun = false;
    const ticket = this.order.enter(errand, (one) => {
      isBegun = true;
      this.waiting.delete(one);
      this.running.add(one);
      this.counted.set(one, this.paceOf(one.errand));
      this.begun.push(one);
    });
    if (!isBegun) this.waiting.add(ticket);
    return ticket;
  }

  leave(ticket: Ticket, isAnswered = true): void {
    this.running.delete(ticket);
    this.counted.delete(ticket);
    const { destination } = ticket.errand;
    const isLate = [...this.running].some((one) => one.errand.destination === destination && one.state === 'late');
    if (destination !== undefined && ticket.state !== 'late') {
      if (isAnswered && !isLate) this.#paces.set(destination, 'quick');
      else if (!isAnswered && ticket.state === 'overdue') this.#paces.set(destination, 'slow');
    }
    this.order.leave(ticket, isAnswered);
  }

  setOverdue(ticket: Ticket): void {
    this.counted.set(ticket, 'slow');
    this.order.setOverdue(ticket);
  }

  /** Has it be late, overdue or not. */
  setLate(ticket: Ticket): void {
    this.setOverdue(ticket);
    if (ticket.errand.destination !== undefined) this.#paces.set(ticket.errand.destination, 'slow');
    this.order.setLate(ticket);
  }

  paceOf({ destination }: Errand): Pace {
    return destination === undefined ? 'quick' : this.#paces.get(destination) ?? 'fresh';
  }

  /** Has a destination answered once, so that it counts as quick. */
  meet(destination: string): void {
    this.leave(this.enter({ destination }));
  }

  count(of: (errand: Errand) => boolean): number {
    return [...this.running].filter((ticket) => of(ticket.errand)).length;
  }
}

const to = (destination: string) => (errand: Errand) => errand.destination === destination;
const by = (account: string) => (errand: Errand) => errand.account === account;

describe('the order of work', () => {
  it('has a destination, and an account, take no more than its share', () => {
    const desk = new Desk();
    for (const name of ['x', 'y', 'z']) desk.meet(name);
    for (let i = 0; i < 10; i++) desk.enter({ account: `@${i}`, destination: 'x' });
    expect(desk.count(to('x'))).toBe(2);
    for (let i = 0; i < 10; i++) desk.enter({ account: '@many', destination: i % 2 ? 'y' : 'z' });
    expect(desk.count(by('@many'))).toBe(2);
    expect(desk.running.size).toBe(4);
    const one = new Desk();
    for (const name of ['x', 'y', 'z']) one.meet(name);
    for (const name of ['x', 'y', 'z', 'x']) one.enter({ account: '@many', destination: name });
    expect(one.count(by('@many'))).toBe(3);
  });

  it('has accounts take turns, whatever one of them has waiting', () => {
    const desk = new Desk({ ...narrow, account: { ...small.account, quick: 100 } });
    desk.meet('x');
    for (let i = 0; i < 100; i++) desk.enter({ account: '@many', destination: 'x' });
    const late = desk.enter({ account: '@few', destination: 'x' });
    desk.leave([...desk.running][0]!);
    desk.leave([...desk.running][0]!);
    expect(desk.running).toContain(late);
  });

  it('has destinations take turns for work that nobody asked for', () => {
    const desk = new Desk(narrow);
    for (const name of ['x', 'y']) desk.meet(name);
    for (let i = 0; i < 100; i++) desk.enter({ destination: 'x' });
    const late = desk.enter({ destination: 'y' });
    desk.leave([...desk.running][0]!);
    desk.leave([...desk.running][0]!);
    expect(desk.running).toContain(late);
  });

  it('does not put an account that comes again at once before one that waits', () => {
    const desk = new Desk(narrow);
    desk.meet('x');
    desk.enter({ account: '@busy', destination: 'x' });
    const waits = [desk.enter({ account: '@two', destination: 'x' }), desk.enter({ account: '@two', destination: 'x' })];
    for (let i = 0; i < 5; i++) {
      desk.enter({ account: '@busy', destination: 'x' });
      desk.leave([...desk.running][0]!);
    }
    for (const ticket of waits) expect(desk.begun).toContain(ticket);
  });

  it('counts silent servers with the slow ones, so that those that answer do not wait for them', () => {
    const desk = new Desk();
    desk.meet('good');
    const silent = Array.from({ length: 20 }, (_, i) => desk.enter({ account: `@${i}`, destination: `silent${i}` }));
    for (let i = 0; i < 20; i++) for (const ticket of silent) if (desk.running.has(ticket)) desk.setOverdue(ticket);
    expect(desk.running.size).toBeLessThanOrEqual(small.all.overdue + small.all.fresh);
    expect(desk.waiting.size).toBeGreaterThan(0);
    const good = [1, 2].map((i) => desk.enter({ account: `@good${i}`, destination: 'good' }));
    for (const ticket of good) expect(desk.running).toContain(ticket);
  });

  it('lets an account that waits for silent servers go on with those that answer', () => {
    const desk = new Desk();
    desk.meet('good');
    const silent = Array.from({ length: 20 }, (_, i) => desk.enter({ account: '@a', destination: `silent${i}` }));
    for (let i = 0; i < 20; i++) for (const ticket of silent) if (desk.running.has(ticket)) desk.setOverdue(ticket);
    expect(desk.waiting.size).toBeGreaterThan(0);
    expect(desk.running).toContain(desk.enter({ account: '@a', destination: 'good' }));
  });

  it('takes a server that stumbled for no slow one', () => {
    const desk = new Desk({ ...small, all: { ...small.all, slow: 1 } });
    desk.meet('good');
    desk.setLate(desk.enter({ destination: 'silent' }));
    const stumbles = desk.enter({ destination: 'good' });
    desk.setOverdue(stumbles);
    expect(desk.running).toContain(desk.enter({ destination: 'good' }));
    desk.leave(stumbles);
    expect(desk.running).toContain(desk.enter({ destination: 'good' }));
  });

  it('takes a server that is slow here for quick when it answers in time elsewhere, unless something of it is late', () => {
    const order = new FairOrder(small);
    const begun: string[] = [];
    const enter = (destination: string): Ticket => order.enter({ destination }, () => void begun.push(destination));
    const late = (destination: string): Ticket => {
      const ticket = enter(destination);
      order.setOverdue(ticket);
      order.setLate(ticket);
      return ticket;
    };
    const stumbled = late('good');
    // Silent ones fill the share of the slow ones.
    for (const name of ['silent1', 'silent2', 'silent3']) late(name);
    enter('good');
    order.setQuick('good');
    expect(begun).toEqual(['good', 'silent1', 'silent2', 'silent3']);
    order.leave(stumbled, false);
    order.setQuick('nobody');
    expect(begun).toHaveLength(4);
    order.setQuick('good');
    expect(begun.slice(4)).toEqual(['good']);
  });

  it('takes a server for quick again when it has answered all that was late, and what waits for it goes on', () => {
    const desk = new Desk({ ...small, all: { ...small.all, slow: 1 } });
    const [first, second] = [desk.enter({ destination: 'x' }), desk.enter({ destination: 'x' })];
    for (const ticket of [first, second]) desk.setLate(ticket);
    const other = desk.enter({ destination: 'silent' });
    desk.setLate(other);
    desk.leave(first);
    const next = desk.enter({ destination: 'x' });
    const after = desk.enter({ destination: 'x' });
    expect(desk.waiting).toContain(next);
    desk.leave(second);
    desk.leave(other, false);
    expect(desk.running).toContain(next);
    expect(desk.waiting).toContain(after);
    // Its slot of the slow share would be needed for both: as a quick one it needs none.
    const again = desk.enter({ destination: 'silent' });
    desk.leave(next);
    expect(desk.running).toContain(after);
    expect(desk.running).toContain(again);
  });

  it('refuses what would be too much, for one account before it is too much for all', () => {
    const desk = new Desk({ ...small, waitingPerAccount: 3, waiting: 5 });
    const flood = (account: string): number => {
      for (let n = 0; ; n++) {
        try {
          desk.enter({ account, destination: 'x' });
        } catch (error) {
          expect(error).toMatchObject({ status: 429, errcode: 'M_LIMIT_EXCEEDED' });
          return n;
        }
      }
    };
    expect(flood('@one')).toBe(2 + 3);
    expect(flood('@two')).toBe(2);
    const bytes = new Desk();
    for (let i = 0; i < 3; i++) bytes.enter({ account: '@big', destination: 'x', bytes: 100 });
    expect(() => bytes.enter({ account: '@big', destination: 'x', bytes: 1 })).toThrow('Too much');
    bytes.enter({ account: '@small', destination: 'x', bytes: 100 });
  });

  it('begins all that it takes, in any history, leaves no slot empty that somebody waits for, and forgets who is gone', () => {
    const errand = fc.record({ account: fc.constantFrom(undefined, '@a', '@b', '@c'), destination: fc.constantFrom(undefined, 'x', 'y', 'z'), bytes: fc.nat(3) });
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('enter' as const), errand }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'fail' as const, 'overdue' as const, 'late' as const), pick: fc.nat() }) },
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const desk = new Desk();
      for (const one of steps) {
        const all = [...desk.running];
        if (one.do === 'enter') desk.enter(one.errand);
        else if (all.length > 0) {
          const ticket = all[one.pick % all.length]!;
          if (one.do === 'overdue') desk.setOverdue(ticket);
          else if (one.do === 'late') desk.setLate(ticket);
          else desk.leave(ticket, one.do === 'leave');
        }
        expectFair(desk);
      }
      for (let n = 0; desk.running.size > 0; n++) {
        desk.leave([...desk.running][0]!, n % 2 === 0);
        expectFair(desk);
      }
      expect(desk.waiting.size).toBe(0);
      expect(desk.order.waiting).toBe(0);
    }), { numRuns: 1_000 });
  });
});

/** Bounds hold, and whoever waits waits for a bound of his own. */
function expectFair(desk: Desk): void {
  const { limits, counted } = desk;
  const count = (pace: Pace, account?: string) =>
    [...counted].filter(([ticket, as]) => as === pace && (account === undefined || ticket.errand.account === account)).length;
  const isFull = (shares: FairShares, pace: Pace, account?: string) =>
    count(pace, account) >= shares[pace] || (pace === 'fresh' && count('slow', account) >= shares.overdue);
  for (const { errand: { account, destination } } of desk.running) {
    expect(count('quick')).toBeLessThanOrEqual(limits.all.quick);
    if (account !== undefined) expect(count('quick', account)).toBeLessThanOrEqual(limits.account.quick);
    if (destination !== undefined) expect(desk.count(to(destination))).toBeLessThanOrEqual(limits.perDestination);
  }
  for (const { errand } of desk.waiting) {
    const { account, destination } = errand;
    const pace = desk.paceOf(errand);
    const isStopped = isFull(limits.all, pace) || (account !== undefined && isFull(limits.account, pace, account))
      || (destination !== undefined && desk.count(to(destination)) >= limits.perDestination);
    expect(isStopped).toBe(true);
  }
}
