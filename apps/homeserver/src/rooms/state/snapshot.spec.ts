import fc from 'fast-check';
import { Snapshot } from './snapshot.js';

const changes = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.option(fc.integer({ min: 1, max: 1_000 }))), { minLength: 1, maxLength: 4 });

it('reads as the changes one after the other, whatever is merged', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 120 }), (steps) => {
      let snapshot = Snapshot.empty;
      const plain = new Map<string, number>();
      for (const [i, step] of steps.entries()) {
        const change = new Map(step.map(([key, nid]) => [`k${key}`, nid]));
        snapshot = snapshot.extend(change, i + 1).snapshot;
        for (const [key, nid] of change) {
          if (nid === null) plain.delete(key);
          else plain.set(key, nid);
        }
        expect(snapshot.toMap()).toEqual(plain);
        expect(snapshot.nid).toBe(i + 1);
      }
      for (const [key, nid] of plain) expect(snapshot.get(key)).toBe(nid);
    }),
  );
});

it('gives the changes that lead from one state to another', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 30 }), fc.dictionary(fc.constantFrom('k1', 'k2', 'k3', 'x'), fc.integer({ min: 1 })), (steps, target) => {
      let snapshot = Snapshot.empty;
      for (const [i, step] of steps.entries()) snapshot = snapshot.extend(new Map(step.map(([key, nid]) => [`k${key}`, nid])), i + 1).snapshot;
      const wanted = new Map(Object.entries(target));
      expect(snapshot.extend(snapshot.changesTo(wanted), 99).snapshot.toMap()).toEqual(wanted);
    }),
  );
});

it('stays shallow, and writes little for each of many members', () => {
  let snapshot = Snapshot.empty;
  let rows = 0;
  const members = 5_000;
  for (let i = 0; i < members; i++) {
    const made = snapshot.extend(new Map([[`m.room.member\u0000@u${i}:s`, i + 1]]), i + 1);
    rows += made.row.entries.size;
    snapshot = made.snapshot;
    expect(snapshot.layers.length).toBeLessThanOrEqual(6);
  }
  expect(rows / members).toBeLessThan(30);
});

it('takes two states that are not stored for different ones', () => {
  const one = Snapshot.empty.with(new Map([['a', 1]]));
  expect(one.isStored).toBe(false);
  expect(one.get('a')).toBe(1);
  expect(Snapshot.empty.extend(new Map([['a', 1]]), 7).snapshot.isStored).toBe(true);
});
