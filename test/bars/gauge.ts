import { eventually } from '../network/eventually.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import { createRoom, say } from '../homes/talk.js';
import type { Bars } from './bars.js';

/** Milliseconds by kind, at a quantile. */
export type Figures = Readonly<Record<string, (quantile: number) => number>>;

/** A move-in costs more than the rest together. */
const MOVES_PER_SAMPLES = 1 / 4;
const PATIENCE_MS = 60_000;
let moved = 0;

/** docs/protocol.md, "Fairness and limits". */
export function isKept(quiet: number, loud: number): boolean {
  return loud <= 2 * quiet + 100;
}

/** What an account notices that has nothing to do with the nuisances. */
export class Gauge {
  #n = 0;

  constructor(private readonly bars: Bars) {}

  async measure(samples: number): Promise<Figures> {
    const send: number[] = [];
    const operation: number[] = [];
    const moveIn: number[] = [];
    for (let i = 0; i < samples; i++) {
      send.push(await this.#time(() => this.#send()));
      operation.push(await this.#time(() => this.#operation()));
      if (i % (1 / MOVES_PER_SAMPLES) === 0) moveIn.push(await this.#moveIn());
    }
    return Object.fromEntries(Object.entries({ send, operation, 'move-in': moveIn }).map(([kind, times]) => [kind, quantileOf(times)]));
  }

  async #time(work: () => Promise<unknown>): Promise<number> {
    const start = performance.now();
    await work();
    return performance.now() - start;
  }

  /** Until the other server's user can read it. */
  async #send(): Promise<void> {
    const { alice, bob, a, roomId } = this.bars;
    const eventId = await say(alice.at(a), roomId, `message ${++this.#n}`);
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(eventId)}`;
    await eventually(async () => (await bob.raw('GET', path)).status === 200, PATIENCE_MS);
  }

  /** Until the other home has it. */
  async #operation(): Promise<void> {
    const { alice, a, b } = this.bars;
    const path = `/v3/user/${encodeURIComponent(alice.userId)}/account_data/org.example.gauge`;
    const n = Math.random();
    await alice.at(a).request('PUT', path, { n: String(n) });
    await eventually(async () => (await alice.at(b).raw('GET', path)).body.n === String(n), PATIENCE_MS);
  }

  /** From the record that names the new home until it holds the account's data and room. */
  async #moveIn(): Promise<number> {
    const { a, b } = this.bars;
    const person = await Person.named(`mover${++moved}`, b);
    await createRoom(person.at(b));
    const entry = { ...(await person.offer(a)), priority: 10 };
    const start = performance.now();
    await person.publish(person.next({ add: [entry] }), a);
    const client = await person.login(a);
    await eventually(async () => {
      const { homes } = await client.request('GET', `${homesPath}/account/homes`);
      const { rooms } = homes.find((home: Json) => home.server_name === a.name);
      if (!rooms.complete || rooms.ready !== 1) throw new Error(`the room is not there: ${JSON.stringify(rooms)}`);
      return true;
    }, PATIENCE_MS);
    const took = performance.now() - start;
    return took;
  }
}

function quantileOf(times: readonly number[]): (quantile: number) => number {
  const sorted = [...times].sort((x, y) => x - y);
  return (quantile) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))]!);
}
