import fc from 'fast-check';
import { type HistoryVisibility, RoomHistory } from './history-visibility.js';
import type { StateDelta } from './room-log.js';

const values = new Map<number, string>();
/** Changes of one state: [position, value]. */
const changes = (steps: readonly (readonly [number, string])[]): StateDelta[] => {
  let previous: number | null = null;
  return steps.map(([pos, value]) => {
    const nid = values.size + 1;
    values.set(nid, value);
    const delta = { pos, key: '', nid, previous };
    previous = nid;
    return delta;
  });
};
type Steps = readonly (readonly [number, string])[];
const history = (visibility: Steps, membership: Steps) =>
  new RoomHistory(
    changes(visibility), changes(membership), membership.at(-1)?.[1] === 'join',
    (nid) => (values.get(nid!) ?? 'shared') as HistoryVisibility, (nid) => values.get(nid!) ?? 'leave',
  );
const visible = (room: RoomHistory, positions: readonly number[]) => positions.filter((pos) => room.isVisible(pos));

describe('RoomHistory', () => {
  const range = [2, 3, 4, 5, 6, 7, 8, 9, 10];

  it.each([
    ['world_readable', range],
    ['shared', range],
    ['invited', [4, 5, 6, 7, 8, 9, 10]],
    ['joined', [6, 7, 8, 9, 10]],
  ])('of a %s room shows a member that was invited at 4 and joined at 6', (visibility, expected) => {
    expect(visible(history([[1, visibility]], [[4, 'invite'], [6, 'join']]), range)).toEqual(expected);
  });

  it('shows those who left what happened until then, the leave too', () => {
    expect(visible(history([[1, 'shared']], [[4, 'join'], [7, 'leave']]), range)).toEqual([2, 3, 4, 5, 6, 7]);
    expect(visible(history([[1, 'joined']], [[4, 'join'], [7, 'leave']]), range)).toEqual([4, 5, 6, 7]);
  });

  it('shows nothing to who was never in, unless the world may read', () => {
    expect(visible(history([[1, 'shared']], [[4, 'invite'], [6, 'leave']]), range)).toEqual([]);
    expect(visible(history([[1, 'shared'], [5, 'world_readable'], [8, 'joined']], []), range)).toEqual([5, 6, 7]);
  });

  it('takes the visibility as it was at the event', () => {
    expect(visible(history([[1, 'joined'], [4, 'shared']], [[8, 'join']]), range)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  });

  it('shows the event that closes a room, and none that only comes with a room that is closed', () => {
    const room = history([[5, 'joined']], [[8, 'join']]);
    expect([room.isVisible(5, true), room.isVisible(5)]).toEqual([true, false]);
  });

  it('takes what was before the server came, below 0, as it was when it came', () => {
    const past = [-3, -2, -1];
    expect(visible(history([[5, 'joined']], [[8, 'join']]), past)).toEqual([]);
    expect(visible(history([[5, 'shared'], [6, 'joined']], [[8, 'join']]), past)).toEqual(past);
    expect(visible(history([], [[8, 'join']]), past)).toEqual(past);
  });

  it('counts as shared without an event', () => {
    expect(visible(history([], [[6, 'join']]), range)).toEqual(range);
  });

  it('says the same of stretches as of positions', () => {
    const steps = (values: readonly string[]) => fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.constantFrom(...values)), { selector: ([pos]) => pos, maxLength: 6 })
      .map((list) => list.sort(([a], [b]) => a - b));
    const all = Array.from({ length: 40 }, (_, i) => i - 4);
    fc.assert(fc.property(steps(['world_readable', 'shared', 'invited', 'joined']), steps(['join', 'leave', 'invite', 'ban']), (visibility, membership) => {
      const room = history(visibility, membership);
      const stretches = room.seen();
      expect(all.filter((pos) => stretches.some(([from, to]) => pos >= from && pos <= to))).toEqual(visible(room, all));
    }));
  });

  it('knows the membership at each event', () => {
    const room = history([], [[4, 'invite'], [6, 'join'], [9, 'ban']]);
    expect([3, 4, 5, 6, 8, 9].map((pos) => room.membershipAt(pos))).toEqual(['leave', 'invite', 'invite', 'join', 'join', 'ban']);
  });

  it('says when a room hides nothing after a position', () => {
    const of = (steps: readonly (readonly [number, string])[], pos: number) =>
      RoomHistory.isOpenAfter(pos, changes(steps), (nid) => (values.get(nid!) ?? 'shared') as HistoryVisibility);
    expect(of([], 0)).toBe(true);
    expect(of([[1, 'joined'], [5, 'shared']], 0)).toBe(false);
    expect(of([[1, 'joined'], [5, 'shared']], 5)).toBe(true);
    expect(of([[1, 'shared'], [5, 'invited']], 9)).toBe(false);
  });
});
