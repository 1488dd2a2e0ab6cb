import fc from 'fast-check';
import { partsOf } from './row-parts.js';

it('parts rows in order, each part within the bytes that it may hold unless it is one row', () => {
  const rows = fc.array(fc.array(fc.nat(20), { maxLength: 10 }), { maxLength: 10 });
  fc.assert(fc.property(rows, fc.nat(50), (rooms, max) => {
    let pos = 0;
    const whole = new Map(rooms.map((list, room) => [room, list.map((bytes) => ({ nid: ++pos, pos, bytes }))]));
    const parts = partsOf(whole, max);
    expect(parts.flatMap((part) => [...part].flatMap(([room, list]) => list.map((row) => [room, row]))))
      .toEqual([...whole].flatMap(([room, list]) => list.map((row) => [room, row])));
    for (const part of parts) {
      const held = [...part.values()].flat();
      expect(held.length <= 1 || held.reduce((sum, row) => sum + row.bytes, 0) <= max).toBe(true);
    }
  }));
});
