import { relationOf } from './relation-of.js';

const parentId = '$parent:example.org';
const of = (relation: unknown, content: object = {}, more: object = {}) =>
  relationOf({ type: 'm.room.message', content: { ...content, 'm.relates_to': relation } as never, ...more });

describe('relationOf', () => {
  it('reads how an event relates to which', () => {
    expect(of({ event_id: parentId, rel_type: 'm.thread', key: 'x' })).toEqual({ parentId, relType: 'm.thread', key: null, replaces: false });
    expect(of({ event_id: parentId, rel_type: 'm.annotation', key: '👍' })).toEqual({ parentId, relType: 'm.annotation', key: '👍', replaces: false });
  });

  it.each([
    undefined, null, [], 'text', {}, { event_id: parentId }, { rel_type: 'm.thread' }, { event_id: 'no id', rel_type: 'm.thread' }, { event_id: parentId, rel_type: '' },
    { event_id: parentId, rel_type: 3 }, { event_id: parentId, rel_type: 'a\0' }, { event_id: parentId, rel_type: '\ud800' }, { event_id: parentId, rel_type: 'ä'.repeat(128) },
    { 'm.in_reply_to': { event_id: parentId } },
  ])('takes %j for none', (relation) => {
    expect(of(relation)).toBeUndefined();
  });

  it.each(['a\0', '\ud800', 'x'.repeat(513), 3, undefined])('gives up the key %j, and not the relation', (key) => {
    expect(of({ event_id: parentId, rel_type: 'm.annotation', key })).toMatchObject({ key: null });
  });

  it('knows what may replace another event', () => {
    const replace = { event_id: parentId, rel_type: 'm.replace' };
    expect(of(replace, { 'm.new_content': {} })).toMatchObject({ replaces: true });
    expect(of(replace, {}, { type: 'm.room.encrypted' })).toMatchObject({ replaces: true });
    expect(of(replace)).toMatchObject({ replaces: false });
    expect(of(replace, { 'm.new_content': 'text' })).toMatchObject({ replaces: false });
    expect(of(replace, { 'm.new_content': {} }, { state_key: '' })).toMatchObject({ replaces: false });
    expect(of({ ...replace, rel_type: 'm.thread' }, { 'm.new_content': {} })).toMatchObject({ replaces: false });
  });
});
