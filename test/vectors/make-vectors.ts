import {
  acceptedInput, accountKeyCertInput, admittedInput, buildEvent, canonicalJson, contentHash, endorsementInput, genesisHash, homeRecordInput, recordHash, roomVersion,
  selfCertifyingLocalpart, sha256, signAccountKeyCert, signatureInput, signHomeRecord, signingKeyFromSeed, signJson, unpaddedBase64, withAdmitted,
  type HomeRecord, type JsonObject, type SigningKey,
} from '../../libs/federation/src/index.js';

// What a second implementation can check itself against: every signed text of protocol §2 and §3, from fixed seeds.

/** Seeds are the SHA-256 of these names, so that another implementation needs no key file. */
const seedOf = (name: string): Uint8Array => sha256(name);
const key = (name: string, id = 'ed25519:1'): SigningKey => signingKeyFromSeed(id, seedOf(name));
const [recovery, account, second, homeA, homeB, serverA, serverB] = ['recovery', 'account', 'account 2', 'home a', 'home b', 'server a', 'server b'].map((name) => key(name)) as
  [SigningKey, SigningKey, SigningKey, SigningKey, SigningKey, SigningKey, SigningKey];
const rules = roomVersion('io.partyline.1')!;
const alice = '@alice:a.example';
const genesis = { label: 'alice', server_name: 'a.example', recovery_key: recovery.publicKey, account_key: account.publicKey, created_ts: 1_700_000_000_000 };

interface Vector {
  readonly what: string;
  readonly signer: string;
  /** Unpadded Base64 of the signer's public key. */
  readonly public_key: string;
  /** The object as it is signed or checked. */
  readonly object: unknown;
  /** The canonical text under the signature. */
  readonly text: string;
  readonly sha256: string;
  readonly signature: string;
}

function vector(what: string, signer: string, by: SigningKey, object: unknown, text: string): Vector {
  return { what, signer, public_key: by.publicKey, object, text, sha256: unpaddedBase64(sha256(text)), signature: by.sign(text) };
}

const entry = (server: string, home: SigningKey, by: SigningKey, priority: number): HomeRecord['homes'][number] => ({
  server_name: server, key_id: home.keyId, key: home.publicKey, priority, accepted: { [by.keyId]: by.sign(acceptedInput(alice, home.publicKey, server)) },
});
const endorsement = { [serverA.keyId]: serverA.sign(endorsementInput(genesis)) };
const unsigned: Omit<HomeRecord, 'signature'> = {
  user_id: alice, genesis, account_key_cert: null, epoch: 0, seq: 0, master_key: null, homes: [entry('a.example', homeA, serverA, 0)], endorsement,
};
const first = signHomeRecord(unsigned, account.sign);
const afterwards: Omit<HomeRecord, 'signature'> = {
  ...unsigned, seq: 1, prev_sha256: recordHash(first), homes: [entry('b.example', homeB, serverB, 0)],
  retired: [{ server_name: 'a.example', key_id: homeA.keyId, key: homeA.publicKey }], cuts: { log: [[7, genesisHash(genesis)]] },
};
const cert = { account_key: second.publicKey, epoch: 1 };
const last: Omit<HomeRecord, 'signature'> = {
  ...afterwards, epoch: 1, seq: 2, prev_sha256: recordHash(signHomeRecord(afterwards, account.sign)), homes: [], deactivated: true, erase: true,
  account_key_cert: signAccountKeyCert(cert, recovery.sign),
};

export function records(): Vector[] {
  return [
    vector('certificate of another account key', 'recovery', recovery, cert, accountKeyCertInput(cert)),
    vector('consent of a home', 'server a', serverA, { user_id: alice, key: homeA.publicKey, server_name: 'a.example' }, acceptedInput(alice, homeA.publicKey, 'a.example')),
    vector('endorsement', 'server a', serverA, genesis, endorsementInput(genesis)),
    vector('endorsement, provisional', 'server a', serverA, { genesis, terms: { provisional: true } }, endorsementInput(genesis, { provisional: true })),
    vector('endorsement, in another\'s place', 'server a', serverA, { genesis, terms: { supersedes: genesisHash(genesis) } }, endorsementInput(genesis, { supersedes: genesisHash(genesis) })),
    vector('first record', 'account', account, first, homeRecordInput(unsigned)),
    vector('record that retires a home and cuts its log', 'account', account, signHomeRecord(afterwards, account.sign), homeRecordInput(afterwards)),
    vector('last record, after the account key was replaced', 'account 2', second, signHomeRecord(last, second.sign), homeRecordInput(last)),
  ];
}

/** Names and hashes that nobody signs. */
export function names(): JsonObject {
  return { genesis_sha256: genesisHash(genesis), record_sha256: recordHash(first), self_certifying: `@${selfCertifyingLocalpart(genesis)}:a.example` };
}

export function events(): (Vector & { event_id: string; content_sha256: string; pdu: unknown })[] {
  const create = buildEvent({
    type: 'm.room.create', state_key: '', sender: alice, content: { room_version: rules.id, home_record: first as unknown as JsonObject }, home: 'a.example',
    origin_server_ts: 1, depth: 1, prev_events: [], auth_events: [],
  }, rules, { name: 'a.example', key: homeA });
  const join = buildEvent({
    type: 'm.room.member', state_key: alice, sender: alice, room_id: create.roomId, content: { membership: 'join', home_record: first as unknown as JsonObject },
    home: 'a.example', origin_server_ts: 2, depth: 2, prev_events: [create.eventId], auth_events: [],
  }, rules, { name: 'a.example', key: homeA });
  const message = buildEvent({
    type: 'm.room.message', sender: alice, room_id: create.roomId, content: { body: 'hello', msgtype: 'm.text' }, txn: 'AAAAAAAAAAAAAAAAAAAAAA',
    home: 'a.example', origin_server_ts: 3, depth: 3, prev_events: [join.eventId], auth_events: [join.eventId],
  }, rules, { name: 'a.example', key: homeA });
  return [['create event', create], ['join', join], ['message with home and txn', message]].map(([what, event]) => {
    const { pdu, eventId } = event as typeof create;
    return { ...vector(what as string, 'home a', homeA, pdu, signatureInput(pdu, rules)), event_id: eventId, content_sha256: contentHash(pdu, rules), pdu };
  });
}

export function admitted(): Vector & { pdu: unknown; event_id: string } {
  const join = events()[1]!;
  const roomId = (join.pdu as { room_id: string }).room_id;
  const keys = signJson({
    server_name: 'a.example', valid_until_ts: 1_800_000_000_000, verify_keys: { [serverA.keyId]: { key: serverA.publicKey } }, old_verify_keys: {},
  }, 'a.example', serverA) as unknown as JsonObject;
  const said = { server_name: 'b.example', ts: 1_700_000_000_001, keys };
  const text = admittedInput({ eventId: join.event_id, roomId }, genesisHash(genesis), said);
  const signatures = { 'b.example': { [serverB.keyId]: serverB.sign(text) } };
  const event = { eventId: join.event_id, roomId, pdu: join.pdu, json: canonicalJson(join.pdu) } as unknown as Parameters<typeof withAdmitted>[0];
  return { ...vector('attestation of a name', 'server b', serverB, { ...said, signatures }, text), event_id: join.event_id, pdu: withAdmitted(event, { ...said, signatures }, rules).pdu };
}

export function allVectors(): Record<string, unknown> {
  const seeds = 'each key pair is Ed25519 with the SHA-256 of the signer\'s name as its seed; all key ids are ed25519:1';
  return {
    'records.json': { seeds, names: names(), vectors: records() },
    'events.json': { seeds, room_version: rules.id, vectors: events() },
    'admitted.json': { seeds, vectors: [admitted()] },
  };
}
