import { EventMatcher } from './event-matcher.js';
import { TypePatterns } from './type-patterns.js';

const event = { type: 'm.room.message', sender: '@a:x', hasUrl: false, relType: 'm.thread' };

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
    [{ rel_types: ['m.thread'] }, true],
    [{ rel_types: ['m.reference'] }, false],
    [{ rel_types: [] }, false],
    [{ 'org.matrix.msc3874.rel_types': ['m.reference'] }, false],
    [{ not_rel_types: ['m.thread'] }, false],
    [{ 'org.matrix.msc3874.not_rel_types': ['m.reference'] }, true],
    [{ related_by_senders: ['@a:x'] }, true],
  ])('with %j says %s', (filter, passes) => {
    expect(new EventMatcher(filter).passes(event)).toBe(passes);
    expect(new EventMatcher(filter).passesAll).toBe(false);
  });

  it('takes events that relate to none for those of no relation', () => {
    expect(new EventMatcher({ rel_types: ['m.thread'] }).passes({ ...event, relType: undefined })).toBe(false);
    expect(new EventMatcher({ not_rel_types: ['m.thread'] }).passes({ ...event, relType: undefined })).toBe(true);
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
