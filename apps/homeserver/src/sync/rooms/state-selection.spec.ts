import fc from 'fast-check';
import { advance, rewind, type StateDelta } from './room-log.js';
import { selectState } from './state-selection.js';

const KEYS = ['a', 'b', 'c', 'd'];

/**
 * A room's life: at each position one event, which is a message or sets a state; now and then state resolution sets a key
 * to an event that is not the one at the position. The id of the event at a position is the position.
 */
const histories = fc.array(fc.record({
  sets: fc.option(fc.constantFrom(...KEYS), { nil: null }),
  resolved: fc.option(fc.constantFrom(...KEYS), { nil: null, freq: 6 }),
}), { minLength: 1, maxLength: 30 }).map((steps) => {
  const state = new Map<string, number>();
  const deltas: StateDelta[] = [];
  const set = (pos: number, key: string, nid: number) => {
    deltas.push({ pos, key, nid, previous: state.get(key) ?? null });
    state.set(key, nid);
  };
  const keyOf = new Map<number, string>();
  for (const [i, { sets, resolved }] of steps.entries()) {
    const pos = i + 1;
    if (sets !== null) {
      set(pos, sets, pos);
      keyOf.set(pos, sets);
    }
    if (resolved !== null && resolved !== sets) {
      set(pos, resolved, 1_000 + pos);
      keyOf.set(1_000 + pos, resolved);
    }
  }
  return { length: steps.length, deltas, keyOf };
});

const stateAt = (deltas: readonly StateDelta[], pos: number) => {
  const state = new Map<string, number>();
  advance(state, deltas.filter((delta) => delta.pos <= pos));
  return state;
};

/** What a client without use_state_after knows afterwards. */
const applied = (before: ReadonlyMap<string, number>, state: readonly number[], timeline: readonly number[], keyOf: ReadonlyMap<number, string>) => {
  const known = new Map(before);
  for (const nid of [...state, ...timeline]) {
    const key = keyOf.get(nid);
    if (key !== undefined) known.set(key, nid);
  }
  return known;
};

describe('selectState', () => {
  it('leaves an incremental client with the right state, limited or not', () => {
    fc.assert(fc.property(histories, fc.nat(), fc.nat(), ({ length, deltas, keyOf }, a, b) => {
      const from = a % (length + 1);
      const start = from + 1 + (b % (length - from + 1));
      const timeline = Array.from({ length: length - start + 1 }, (_, i) => start + i);
      const gap = deltas.filter((delta) => delta.pos > from);
      const chosen = selectState({ full: null, deltas: gap, start, timeline: new Set(timeline), after: false });
      const known = applied(stateAt(deltas, from), chosen, timeline, keyOf);
      const right = stateAt(deltas, length);
      // Where resolution undid an event of the timeline, only use_state_after can say so.
      for (const [key, nid] of right) {
        const undone = timeline.some((event) => keyOf.get(event) === key && event !== nid) && nid >= 1_000;
        if (!undone) expect(known.get(key)).toBe(nid);
      }
      const after = selectState({ full: null, deltas: gap, start, timeline: new Set(timeline), after: true });
      expect(applied(stateAt(deltas, from), after, [], keyOf)).toEqual(right);
    }));
  });

  it('gives a new client the state before the timeline, so that the timeline leads to the state after it', () => {
    fc.assert(fc.property(histories, fc.nat(), ({ length, deltas, keyOf }, b) => {
      const start = 1 + (b % (length + 1));
      const timeline = Array.from({ length: length - start + 1 }, (_, i) => start + i);
      const full = stateAt(deltas, length);
      const since = deltas.filter((delta) => delta.pos >= start);
      const chosen = selectState({ full, deltas: since, start, timeline: new Set(timeline), after: false });
      expect(chosen.some((nid) => timeline.includes(nid))).toBe(false);
      for (const nid of chosen) {
        const key = keyOf.get(nid)!;
        expect([full.get(key), stateAt(deltas, start - 1).get(key)]).toContain(nid);
      }
      const after = selectState({ full, deltas: since, start, timeline: new Set(timeline), after: true });
      expect(new Set(after)).toEqual(new Set(full.values()));
    }));
  });
});

describe('rewind', () => {
  it('is the way back of advance', () => {
    fc.assert(fc.property(histories, fc.nat(), ({ length, deltas }, a) => {
      const pos = a % (length + 1);
      expect(rewind(stateAt(deltas, length), deltas, pos)).toEqual(stateAt(deltas, pos));
    }));
  });
});
