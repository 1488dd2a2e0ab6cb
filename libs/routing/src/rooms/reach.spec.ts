import { homeByReach, readReach } from './reach.js';
import type { Reach } from './reach.js';

const now = 1_000_000_000;
const homes = [{ serverName: 'a', priority: 0 }, { serverName: 'b', priority: 10 }];
const reach = (contacts: Record<string, number>): Reach => ({ replicas: contacts, frontier: [] });

describe('reach', () => {
  it('is read leniently', () => {
    expect(readReach({ frontier: ['$1', 5], replicas: { a: { last_contact_ts: 5 }, b: { last_contact_ts: null }, c: 'x', d: null } }))
      .toEqual({ frontier: ['$1'], replicas: { a: 5, b: 0, c: 0, d: 0 } });
    expect(readReach({ replicas: null })).toEqual({ frontier: [], replicas: {} });
  });

  it('chooses the home that reaches most replicas', () => {
    const answers = new Map([['a', reach({ a: 0, b: now - 400_000, c: now - 400_000 })], ['b', reach({ a: 0, b: 0, c: now - 1_000 })]]);
    expect(homeByReach(answers, homes, 'a', now)).toBe('b');
  });

  it('stays with equal reach, else goes by priority', () => {
    const equal = new Map([['a', reach({ c: now })], ['b', reach({ c: now })]]);
    expect(homeByReach(equal, homes, 'b', now)).toBe('b');
    expect(homeByReach(equal, homes, undefined, now)).toBe('a');
    expect(homeByReach(new Map(), homes, 'a', now)).toBeUndefined();
  });
});
