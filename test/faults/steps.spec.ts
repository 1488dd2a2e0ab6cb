import { randomUUID } from 'node:crypto';
import { register, type Session } from '../../apps/homeserver/src/demo/account.js';
import { ask } from '../../apps/homeserver/src/demo/ask.js';
import { until } from '../../apps/homeserver/src/demo/within.js';
import type { Json } from '../network/test-client.js';
import { crashSteps, type CrashStep } from './fault-plan.js';
import { FaultWorld } from './fault-world.js';

// kill -9 on each step from storing to answering. Whoever got no answer asks again, as every client does; then it is there, once.
const WAIT_MS = 20_000;
let world: FaultWorld;
let alice: Session;
let bob: Session;
let roomId: string;

beforeAll(async () => {
  world = await FaultWorld.start(['a', 'b']);
  alice = await register(world.server('a'), 'alice', 'ALICE');
  bob = await register(world.server('b'), 'bob', 'BOB');
  roomId = (await request('a', alice, 'POST', 'createRoom', { preset: 'public_chat', room_version: 'io.partyline.1' })).room_id;
  await request('b', bob, 'POST', `join/${encodeURIComponent(roomId)}?via=a.test`, {});
}, 60_000);
afterAll(() => world?.stop());

async function request(label: string, who: Session, method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<Json> {
  return ask(world.server(label).url, { method, path: `/_matrix/client/v3/${path}`, accessToken: who.accessToken, ...(body && { body }) });
}

/** Has A die at the step of what is being done, starts it again, and does it once more where there was no answer. */
async function crossing(step: CrashStep, work: () => Promise<Json>): Promise<Json> {
  const server = world.server('a');
  server.tell({ crash: { step, after: 0 } });
  const first = await work().catch(() => undefined);
  await server.gone();
  await server.start();
  return first ?? (await work());
}

/** Texts of the room that a server shows, newest first. */
async function texts(label: string, who: Session): Promise<string[]> {
  const { chunk } = await request(label, who, 'GET', `rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`);
  return chunk.filter((event: Json) => event.type === 'm.room.message').map((event: Json) => event.content.body);
}

describe.each(crashSteps)('a server that is killed when a write is %s', (step) => {
  it('has a message once, and so has the other server', async () => {
    const body = `message at ${step}`;
    const path = `rooms/${encodeURIComponent(roomId)}/send/m.room.message/${randomUUID()}`;
    const { event_id: eventId } = await crossing(step, () => request('a', alice, 'PUT', path, { msgtype: 'm.text', body }));
    expect((await request('a', alice, 'GET', `rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(eventId)}`)).content.body).toBe(body);
    // The next message brings the others what they missed.
    await request('a', alice, 'PUT', `rooms/${encodeURIComponent(roomId)}/send/m.room.message/${randomUUID()}`, { msgtype: 'm.text', body: 'next' });
    for (const [label, who] of [['a', alice], ['b', bob]] as const) {
      await until(WAIT_MS, `${label} to have the message once`, async () => expect((await texts(label, who)).filter((text) => text === body)).toHaveLength(1) ?? true);
    }
  }, 60_000);

  it('has a change of state and of account data', async () => {
    const topic = `topic at ${step}`;
    await crossing(step, () => request('a', alice, 'PUT', `rooms/${encodeURIComponent(roomId)}/state/m.room.topic/`, { topic }));
    expect((await request('a', alice, 'GET', `rooms/${encodeURIComponent(roomId)}/state/m.room.topic/`)).topic).toBe(topic);
    const path = `user/${encodeURIComponent(alice.userId)}/account_data/org.example.step`;
    await crossing(step, () => request('a', alice, 'PUT', path, { step }));
    expect(await request('a', alice, 'GET', path)).toEqual({ step });
  }, 60_000);

  it('has sent a message to a device on, once', async () => {
    const note = `note at ${step}`;
    const path = `sendToDevice/org.example.note/${randomUUID()}`;
    await crossing(step, () => request('a', alice, 'PUT', path, { messages: { [bob.userId]: { [bob.deviceId]: { note } } } }));
    // What is sent after it comes after it.
    await request('a', alice, 'PUT', `sendToDevice/org.example.note/${randomUUID()}`, { messages: { [bob.userId]: { [bob.deviceId]: { note: `after ${note}` } } } });
    const got: string[] = [];
    let since = '';
    await until(WAIT_MS, 'the messages', async () => {
      const answer = await request('b', bob, 'GET', `sync?timeout=200${since && `&since=${since}`}`);
      since = answer.next_batch;
      got.push(...(answer.to_device?.events ?? []).map((event: Json) => event.content.note));
      return got.includes(`after ${note}`);
    });
    expect(got.filter((text) => text === note)).toHaveLength(1);
  }, 60_000);
});

describe.each(crashSteps)('a server that is killed when what another server brought is %s', (step) => {
  it('has it once', async () => {
    const body = `received at ${step}`;
    const server = world.server('a');
    server.tell({ crash: { step, after: 0 } });
    await request('b', bob, 'PUT', `rooms/${encodeURIComponent(roomId)}/send/m.room.message/${randomUUID()}`, { msgtype: 'm.text', body });
    await server.gone();
    await server.start();
    await until(WAIT_MS, 'the message, once', async () => expect((await texts('a', alice)).filter((text) => text === body)).toHaveLength(1) ?? true);
  }, 60_000);
});

it('a message that two servers have acknowledged stays when either of them is gone at once', async () => {
  for (const lost of ['a', 'b'] as const) {
    const body = `two have it before ${lost} dies`;
    const path = `rooms/${encodeURIComponent(roomId)}/send/m.room.message/${randomUUID()}?io.partyline.replicas=2`;
    const answer = await request('a', alice, 'PUT', path, { msgtype: 'm.text', body });
    await world.server(lost).kill();
    expect(answer['io.partyline.replicas']).toEqual(['a.test', 'b.test']);
    const [label, reader] = lost === 'a' ? (['b', bob] as const) : (['a', alice] as const);
    expect(await texts(label, reader)).toContain(body);
    await world.server(lost).start();
    for (const [other, who] of [['a', alice], ['b', bob]] as const) expect((await texts(other, who)).filter((text) => text === body)).toHaveLength(1);
  }
}, 60_000);
