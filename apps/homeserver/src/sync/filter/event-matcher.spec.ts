import { EventMatcher } from './event-matcher.js';
import { TypePatterns } from './type-patterns.js';

const event = { type: 'm.room.message', sender: '@a:x', hasUrl: false };

describe('EventMatcher', () => {
  it('lets everything through without conditions', () => {
    expect(new EventMatcher({}).passesAll).toBe(true);
    expect(new EventMatcher({ limit: 3, not_types: [], not_senders: [], not_rooms: [] }).passesAll).toBe(true);
    expect(new EventMatcher({}).passes(event)).toBe(true);
  });

  it.each([
    [{ types: ['m.room.message'] }, true],
    [{ types: ['m.room.*'] }, true],
    [{ types: ['*'] }, true],
    [{ types: [] }, false],
    [{ types: ['m.room'] }, false],
    [{ types: ['*'], not_types: ['m.*.message'] }, false],
    [{ senders: ['@a:x'] }, true],
    [{ senders: [] }, false],
    [{ senders: ['@a:x'], not_senders: ['@a:x'] }, false],
    [{ contains_url: true }, false],
    [{ contains_url: false }, true],
  ])('with %j says %s', (filter, passes) => {
    expect(new EventMatcher(filter).passes(event)).toBe(passes);
    expect(new EventMatcher(filter).passesAll).toBe(false);
  });

  it('blocks rooms, where a block outweighs a permission', () => {
    expect(new EventMatcher({ rooms: ['!a'] }).blocksRoom('!a')).toBe(false);
    expect(new EventMatcher({ rooms: ['!a'] }).blocksRoom('!b')).toBe(true);
    expect(new EventMatcher({ rooms: ['!a'], not_rooms: ['!a'] }).blocksRoom('!a')).toBe(true);
  });
});

describe('TypePatterns', () => {
  it.each([
    ['a*c', 'abc', true], ['a*c', 'ac', true], ['a*c', 'a', false], ['a*a', 'a', false], ['*b*', 'abc', true], ['*b*', 'ac', false],
    ['a**c', 'abbc', true], ['a.c', 'abc', false], ['a*b*c', 'acb', false], ['a*b*c', 'aXbYc', true], ['', '', true], ['', 'a', false],
  ])('%j against %j: %s', (pattern, type, matches) => {
    expect(new TypePatterns([pattern]).test(type)).toBe(matches);
  });

  it('becomes patterns of LIKE', () => {
    expect(new TypePatterns(['a_b%', 'm.*', 'c\\']).toLike().sort()).toEqual(['a\\_b\\%', 'c\\\\', 'm.%'].sort());
  });
});
