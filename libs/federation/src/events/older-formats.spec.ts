import { redactPdu } from '../redaction/index.js';
import { roomVersion } from '../room-versions/index.js';
import { signingKeyFromSeed, verifySignature } from '../signing/index.js';
import { addSignature, buildEvent, PduFormatError, readPdu, referenceHash, roomEventFromJson, signatureInput, wirePdu, type EventDraft, type JsonObject, type RoomEvent } from './index.js';

const key = signingKeyFromSeed('ed25519:1', new Uint8Array(32).fill(7));
const signer = { name: 'a.example', key };
const [v1, v3, v4] = ['1', '3', '4'].map((id) => roomVersion(id)!);
const draft: EventDraft = {
  type: 'm.room.message', sender: '@u:a.example', room_id: '!r:a.example', content: { body: 'Hello' },
  origin_server_ts: 1, depth: 3, prev_events: ['$p:b.example'], auth_events: ['$a:b.example', '$c:b.example'],
};
const wireOf = (event: RoomEvent): JsonObject => JSON.parse(event.json) as JsonObject;

describe('events of versions 1 and 2', () => {
  const event = buildEvent(draft, v1!, signer);

  it('have an id of their server, and references with hashes', () => {
    expect(event.eventId).toMatch(/^\$[\w-]{43}:a\.example$/);
    expect(wireOf(event)).toMatchObject({ event_id: event.eventId, prev_events: [['$p:b.example', {}]] });
    expect(buildEvent({ ...draft, depth: 4 }, v1!, signer).eventId).not.toBe(event.eventId);
  });

  it('look like others to the rest of the program, whether made, received or stored', () => {
    expect(event.pdu.prev_events).toEqual(['$p:b.example']);
    expect(event.pdu.auth_events).toEqual(['$a:b.example', '$c:b.example']);
    expect(readPdu(wireOf(event), v1!)).toEqual({ ...event, hashMatched: true });
    expect(roomEventFromJson(event.json, event.eventId, event.roomId)).toEqual(event);
  });

  it('keep the references of others as they are signed', () => {
    const wire = wireOf(event);
    wire['prev_events'] = [['$p:b.example', { sha256: 'abc' }]];
    const read = readPdu(wire, v1!);
    expect(read.hashMatched).toBe(false);
    expect(wireOf(read)['prev_events']).toEqual([['$p:b.example', { sha256: 'abc' }]]);
    expect(read.pdu.prev_events).toEqual(['$p:b.example']);
  });

  it('sign what is on the wire, redacted or not', () => {
    const verifies = (signed: RoomEvent): boolean =>
      verifySignature(key.publicKey, signatureInput(wirePdu(signed, v1!), v1!), signed.pdu.signatures['a.example']!['ed25519:1']!);
    expect(verifies(event)).toBe(true);
    const redacted = JSON.stringify(redactPdu(wirePdu(event, v1!), v1!));
    expect(verifies(roomEventFromJson(redacted, event.eventId, event.roomId))).toBe(true);
    const twice = addSignature(event, v1!, 'b.example', key);
    expect(verifies(twice)).toBe(true);
    expect(twice.pdu.signatures['b.example']).toEqual(event.pdu.signatures['a.example']);
    expect(readPdu(wireOf(twice), v1!).hashMatched).toBe(true);
  });

  it.each<[string, JsonObject]>([
    ['no id', { event_id: null }],
    ['the hash of another version for an id', { event_id: '$' + 'x'.repeat(43) }],
    ['references of another version', { prev_events: ['$p:b.example'] }],
    ['references that are no ids', { auth_events: [[7, {}]] }],
    ['empty references', { auth_events: [[]] }],
  ])('are refused with %s', (_, change) => {
    expect(() => readPdu({ ...wireOf(event), ...change }, v1!)).toThrow(PduFormatError);
  });
});

it('names events by their hash in ordinary Base64 in version 3, in URL-safe Base64 later', () => {
  const plain: EventDraft = { ...draft, prev_events: [], auth_events: [] };
  for (let depth = 1; depth < 50; depth++) {
    const older = buildEvent({ ...plain, depth }, v3!, signer);
    const newer = buildEvent({ ...plain, depth }, v4!, signer);
    expect(newer.eventId).toBe('$' + referenceHash(newer.pdu, v4!));
    expect(older.eventId).toBe(newer.eventId.replaceAll('-', '+').replaceAll('_', '/'));
    expect(readPdu(wireOf(older), v3!).eventId).toBe(older.eventId);
  }
});

it('keeps of redacted aliases, join rules and members what the version says', () => {
  const content = (id: string, type: string, all: JsonObject): JsonObject =>
    redactPdu({ ...buildEvent(draft, v4!, signer).pdu, type, content: all }, roomVersion(id)!).content;
  for (let id = 1; id <= 10; id++) {
    expect(content(String(id), 'm.room.aliases', { aliases: ['#a:a'] })).toEqual(id <= 5 ? { aliases: ['#a:a'] } : {});
    expect(content(String(id), 'm.room.join_rules', { join_rule: 'x', allow: [] })).toEqual({ join_rule: 'x', ...(id >= 8 && { allow: [] }) });
    const member = { membership: 'join', join_authorised_via_users_server: '@b:b' };
    expect(content(String(id), 'm.room.member', member)).toEqual(id >= 9 ? member : { membership: 'join' });
  }
});
