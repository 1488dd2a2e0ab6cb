import fc from 'fast-check';
import { CombinedConfigs, MAX_COMBINATIONS } from './combined-configs.js';
import { RequiredState } from './required-state.js';
import type { RoomConfig } from './sliding-request.js';

const configs = Array.from({ length: 12 }, (_, i): RoomConfig => ({
  limit: i, state: new RequiredState([{ include: [{ type: `t${i}`, stateKey: '' }], exclude: [], lazy: false }]),
}));
const some = fc.subarray(configs, { minLength: 1 });

describe('configurations that are combined', () => {
  it('want what any of them wants, and few differ', () => {
    fc.assert(fc.property(fc.array(some, { maxLength: 200 }), (rooms) => {
      const combined = new CombinedConfigs(configs);
      const made = rooms.map((room) => combined.of(room));
      for (const [i, room] of rooms.entries()) {
        expect(made[i]!.limit).toBeGreaterThanOrEqual(Math.max(...room.map(({ limit }) => limit)));
        for (const { state } of room) expect(made[i]!.state.covers(state)).toBe(true);
      }
      expect(new Set(made).size).toBeLessThanOrEqual(MAX_COMBINATIONS + 1);
    }));
  });

  it('are no more than was asked for, and the same object for the same ones, where they are few', () => {
    fc.assert(fc.property(some, (room) => {
      const combined = new CombinedConfigs(configs);
      const made = combined.of(room);
      for (const [i, { state }] of configs.entries()) expect(made.state.covers(state)).toBe(room.includes(configs[i]!));
      expect(combined.of(room.toReversed())).toBe(made);
    }));
  });
});
