import { servedWindows, type MemberContent } from './served-windows.js';

const as = (membership: string, ...servers: string[]): MemberContent => ({ membership, servers });
const FOREVER = Number.MAX_SAFE_INTEGER;

describe('servedWindows', () => {
  const joined = as('join', 'b.example');
  const left = as('leave', 'b.example');

  it('is open while nothing changes', () => {
    expect(servedWindows('b.example', joined, [], 10)).toEqual([{ from: 11, to: FOREVER }]);
    expect(servedWindows('b.example', left, [], 10)).toEqual([]);
    expect(servedWindows('c.example', joined, [], 10)).toEqual([]);
  });

  it('ends with the event that ends the membership', () => {
    expect(servedWindows('b.example', left, [{ pos: 15, before: joined, now: left }], 10)).toEqual([{ from: 11, to: 15 }]);
  });

  it('begins with a join, and again with the next one', () => {
    const changes = [
      { pos: 12, before: left, now: joined },
      { pos: 20, before: joined, now: left },
      { pos: 30, before: left, now: joined },
    ];
    expect(servedWindows('b.example', joined, changes, 10)).toEqual([{ from: 12, to: 20 }, { from: 30, to: FOREVER }]);
  });

  it('holds one event where an invitation was taken back', () => {
    const changes = [{ pos: 14, before: as('invite', 'b.example'), now: left }];
    expect(servedWindows('b.example', left, changes, 10)).toEqual([{ from: 14, to: 14 }]);
  });

  it('stays open over a change of the display name', () => {
    expect(servedWindows('b.example', joined, [{ pos: 14, before: joined, now: joined }], 10)).toEqual([{ from: 11, to: FOREVER }]);
  });

  it('ends when the home is dropped from the record although the member stays', () => {
    const changes = [{ pos: 14, before: as('join', 'a.example', 'b.example'), now: as('join', 'a.example') }];
    expect(servedWindows('b.example', as('join', 'a.example'), changes, 10)).toEqual([{ from: 11, to: 14 }]);
  });
});
