import fc from 'fast-check';
import { canonicalJson } from '../canonical-json/index.js';
import { clientEventJson, strippedStateJson, type JsonObject } from './index.js';

const server = {
  auth_events: ['$a'], depth: 3, hashes: { sha256: 'h' }, prev_events: ['$p'], signatures: { a: { k: 's' } },
  origin_server_ts: 12, sender: '@u:a', room_id: '!r:a',
};
const stored = (pdu: object) => ({ json: canonicalJson({ ...server, ...pdu }), eventId: '$id', roomId: '!r:a' });
const parse = (text: string): JsonObject => JSON.parse(text) as JsonObject;

describe('clientEventJson', () => {
  it('has the members of the client format and no others', () => {
    const event = stored({ type: 'm.room.topic', state_key: '', content: { topic: 'T' }, home: 'b', txn: 't' });
    expect(parse(clientEventJson(event))).toEqual({
      content: { topic: 'T' }, event_id: '$id', origin_server_ts: 12, room_id: '!r:a', sender: '@u:a', state_key: '',
      type: 'm.room.topic',
    });
  });

  it('has no state key for messages, and leaves out the room id and adds unsigned when asked', () => {
    const event = stored({ type: 'm.room.message', content: {} });
    expect(parse(clientEventJson(event, { omitRoomId: true, unsigned: '{"age":5}' }))).toEqual({
      content: {}, event_id: '$id', origin_server_ts: 12, sender: '@u:a', type: 'm.room.message', unsigned: { age: 5 },
    });
  });

  it('takes the room id from outside, as a create event of version 12 has none', () => {
    const json = canonicalJson({ ...server, room_id: undefined, type: 'm.room.create', state_key: '', content: {} });
    expect(parse(clientEventJson({ json, eventId: '$id', roomId: '!id' }))).toMatchObject({ room_id: '!id' });
  });

  it('is not misled by members inside the content that look like its own', () => {
    const content = { type: 'no', sender: 'no', state_key: 'no', 'a"b': '","type":"no"', deep: [{ content: { '}': '{' } }] };
    const event = parse(clientEventJson(stored({ type: 'x.y', content })));
    expect(event).toEqual({ content, event_id: '$id', origin_server_ts: 12, room_id: '!r:a', sender: '@u:a', type: 'x.y' });
  });

  it('copies redacts to the top level from the content, where version 11 has it', () => {
    const event = parse(clientEventJson(stored({ type: 'm.room.redaction', content: { reason: 'r', redacts: '$x' } })));
    expect(event).toMatchObject({ redacts: '$x', content: { reason: 'r', redacts: '$x' } });
  });

  it.each([[{}], [{ reason: 'r' }]])('copies redacts into content %j from the top level', (content) => {
    const event = parse(clientEventJson(stored({ type: 'm.room.redaction', content, redacts: '$x' })));
    expect(event).toMatchObject({ redacts: '$x', content: { ...content, redacts: '$x' } });
  });

  it('does not invent redacts for other events or redacted redactions', () => {
    expect(parse(clientEventJson(stored({ type: 'm.room.message', content: { redacts: '$x' } })))).not.toHaveProperty('redacts');
    expect(parse(clientEventJson(stored({ type: 'm.room.redaction', content: {} })))).not.toHaveProperty('redacts');
  });

  it('equals parsing and rebuilding, for any content and any other members', () => {
    const characters = ['"', '{', '}', '[', ']', ',', ':', 'a', '\n', '\u0000', 'ü', '😀'];
    const text = fc.string({ unit: fc.constantFrom('\\', ...characters) });
    // JSON.parse of V8 13.6 takes the key of {"\n":1,"\"":1} for a backslash when it has just parsed {"\n":1,"\\":1}: keys without one.
    const name = fc.string({ unit: fc.constantFrom(...characters) });
    const json = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' }, text, fc.integer(), fc.boolean(), fc.constant(null), fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).value;
    const object = fc.dictionary(name, json, { maxKeys: 5, noNullPrototype: true });
    fc.assert(fc.property(object, object, text, text, fc.option(text, { nil: undefined }), (content, extra, type, sender, stateKey) => {
      const pdu = { ...extra, content, type, sender, state_key: stateKey, origin_server_ts: 1 };
      const event = { json: canonicalJson(pdu), eventId: '$"id\\', roomId: '!r' };
      const rest = stateKey === undefined ? {} : { state_key: stateKey };
      expect(parse(clientEventJson(event))).toEqual({
        content, event_id: '$"id\\', origin_server_ts: 1, room_id: '!r', sender, type, ...rest,
      });
      expect(parse(strippedStateJson(event))).toEqual({ content, sender, state_key: stateKey ?? '', type });
    }), { numRuns: 500 });
  });
});

it('leaves keys with backslashes as they are', () => {
  const json = canonicalJson({ content: { '\\': 1, '\\"': '\\' }, '\\': {}, sender: '@a:b', type: 'x.y' });
  expect(clientEventJson({ json, eventId: '$id', roomId: '!r' })).toContain('{"content":{"\\\\":1,"\\\\\\"":"\\\\"},"event_id"');
});

it('strips state to four members', () => {
  const event = stored({ type: 'm.room.name', state_key: '', content: { name: 'N' } });
  expect(parse(strippedStateJson(event))).toEqual({ content: { name: 'N' }, sender: '@u:a', state_key: '', type: 'm.room.name' });
});
