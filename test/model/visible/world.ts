import { eventually } from '../../network/eventually.js';
import type { Network } from '../../network/network.js';
import { inOneCommit } from '../../network/one-commit.js';
import { Person } from '../../network/person.js';
import { allPages, roomPath } from '../../network/room-pages.js';
import type { Json, TestClient } from '../../network/test-client.js';
import type { TestServer } from '../../network/test-server.js';
import { seeded, type Draw } from '../rooms/random.js';
import { type Act, type Actor, eventOf, perform, randomAct, wordsFor } from './acts.js';
import { faultsOf, nameOf } from './check.js';
import { Reader } from './reader.js';
import { readEnds, readLog } from './room-log.js';
import { Truth } from './truth.js';

const STEPS = 14;
const SETTLE_MS = 60_000;
const INVITATION_MS = 20_000;

/**
 * One random history of one room: people of two servers, one of them with both as homes where the room is portable, do things one after the other, at the
 * same time and in the same commit; after each step some of their clients sync, in all manners.
 */
export class VisibleWorld {
  readonly story: string[] = [];
  readonly #draw: Draw;
  readonly #actors: Actor[] = [];
  readonly #readers: Reader[] = [];
  readonly #a: TestServer;
  readonly #b: TestServer;
  #roomId = '';
  #isPortable = false;

  constructor(private readonly net: Network, private readonly seed: number) {
    this.#draw = seeded(seed);
    [this.#a, this.#b] = net.servers as [TestServer, TestServer];
  }

  /** @throws Error with the story, when somebody sees what he may not, or not what he may */
  async play(): Promise<void> {
    try {
      await this.#begin();
      for (let step = 0; step < STEPS; step++) await this.#step(step);
      for (const reader of this.#readers) await this.#look(reader);
      for (const actor of this.#actors) if (actor.clients[0]!.server === this.#a) await this.#page(actor.clients[0]!);
    } catch (error) {
      throw new Error(`seed ${this.seed}\n  ${this.story.join('\n  ')}\n=> ${(error as Error).message}`, { cause: error });
    }
  }

  async #begin(): Promise<void> {
    this.#isPortable = this.#draw(3) === 0;
    const named = async (name: string, server: TestServer): Promise<Actor> => {
      const client = await this.net.client(server).register(`${name}${this.seed}`);
      return { name, userId: client.userId, clients: [client] };
    };
    const [a, b] = [this.#a, this.#b];
    this.#actors.push(await named('alice', a), await named('bob', a), await named('carol', a), await named('dan', b));
    if (this.#isPortable) {
      const pat = await Person.named(`pat${this.seed}`, a);
      await pat.addHome(b);
      this.#actors.push({ name: 'pat', userId: pat.userId, clients: [pat.at(a), pat.at(b)] });
    } else {
      // So that somebody comes by a server that is in the room already, which knows less of its past.
      this.#actors.push(await named('erin', b));
    }
    const [alice, bob] = this.#actors as [Actor, Actor];
    const levels = { users: { [bob.userId]: 50 }, users_default: 0, events_default: 0, state_default: 0, kick: 50, ban: 50, invite: 0, events: { 'm.room.power_levels': 100 } };
    const visibility = ['shared', 'joined', 'invited', 'world_readable'][this.#draw(4)]!;
    this.#roomId = (await alice.clients[0]!.request('POST', '/v3/createRoom', {
      room_version: this.#isPortable ? 'io.partyline.1' : '12', preset: this.#draw(4) === 0 ? 'private_chat' : 'public_chat', power_level_content_override: levels,
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
    })).room_id;
    this.story.push(`${this.#isPortable ? 'portable, ' : ''}${visibility}`);
    for (const { clients } of this.#actors) {
      for (const client of clients) {
        for (const limit of [1 + this.#draw(3), 4 + this.#draw(30)]) this.#readers.push(new Reader(client, { limit, lazy: this.#draw(3) === 0, after: this.#draw(3) === 0, sliding: this.#draw(3) === 0 }));
      }
    }
  }

  async #step(step: number): Promise<void> {
    const count = 1 + this.#draw(6);
    const acts = Array.from({ length: count }, (_, i) => randomAct(this.#draw, this.#actors, `${step}.${i}`)).filter((act) => !this.#isIdle(act));
    const way = ['alone', 'together', 'one commit'][this.#draw(3)]!;
    // Whoever acts elsewhere at the same time makes a fork, of which the room's rules decide what comes.
    const here = acts.filter((act) => this.#isHere(act));
    if (way === 'one commit') {
      this.#tell(step, way, here);
      await inOneCommit(this.#a, this.#roomId, here.map(eventOf));
    } else if (way === 'together') {
      this.#tell(step, way, here);
      await Promise.all(here.map((act) => this.#perform(act, act.actor.clients[0]!)));
    } else {
      for (const act of acts.slice(0, 3)) {
        this.#tell(step, way, [act]);
        await this.#perform(act, act.actor.clients[this.#draw(act.actor.clients.length)]!);
        await this.#settled();
      }
    }
    await this.#settled();
    if (this.#draw(25) === 0) {
      const server = [this.#a, this.#b][this.#draw(2)]!;
      this.story.push(`${server.label} starts again`);
      await server.restart();
    }
    for (const reader of this.#readers) {
      const whim = this.#draw(12);
      if (whim > 3) continue;
      if (whim === 0) reader.startAnew();
      if (whim === 1) reader.forget(1 + this.#draw(5));
      this.story.push(`  ${whim === 0 ? 'anew: ' : whim === 1 ? 'from an old token: ' : ''}${reader.name}`);
      await this.#look(reader);
    }
  }

  /** Alice stays, so that one server has seen everything. */
  #isIdle({ what, actor, target }: Act): boolean {
    const [alice] = this.#actors;
    if (actor === alice && (what === 'leave' || what === 'join')) return true;
    return ['invite', 'kick', 'ban', 'unban'].includes(what) && (target === actor || target === alice);
  }

  #isHere({ what, actor, target }: Act): boolean {
    if (actor.clients[0]!.server !== this.#a || (this.#isPortable && what === 'join')) return false;
    return what !== 'invite' || (target.clients[0]!.server === this.#a && !this.#isPortable);
  }

  #tell(step: number, way: string, acts: readonly Act[]): void {
    if (acts.length > 0) this.story.push(`${step} ${way}: ${acts.map(wordsFor).join('; ')}`);
  }

  #perform(act: Act, client: TestClient): Promise<void> {
    return perform(act, client, this.#roomId, this.#a);
  }

  async #truth(): Promise<Truth> {
    return new Truth(await readLog(this.#a, this.#roomId));
  }

  /** Waits until every server that is in the room has what the others have. */
  async #settled(): Promise<void> {
    await eventually(async () => {
      const truth = await this.#truth();
      const isOfB = ({ userId, content }: { userId: string; content: Json }): boolean => userId.endsWith(`:${this.#b.name}`)
        || content.home_record?.homes.some((home: Json) => home.server_name === this.#b.name) === true;
      const isIn = truth.joined.some(isOfB);
      const [here, there] = [await readEnds(this.#a, this.#roomId), await readEnds(this.#b, this.#roomId)];
      if (isIn && here !== there) throw new Error(`the servers differ: ${here}, ${there}`);
      const late = new Truth(await readLog(this.#b, this.#roomId)).joined.filter((one) => isOfB(one) && truth.membership(one.userId) !== 'join');
      if (late.length > 0) throw new Error(`B has not heard that somebody is out: ${late.map(({ userId }) => userId).join(', ')}`);
      return true;
    }, SETTLE_MS);
  }

  async #look(reader: Reader): Promise<void> {
    const { server } = reader.client;
    const look = async (): Promise<true> => {
      await reader.sync();
      const faults = faultsOf(reader, this.#roomId, await this.#truth(), await readLog(server, this.#roomId), server === this.#a && !this.#isPortable);
      if (faults.length > 0) throw new Error(`${reader.name}\n   - ${faults.join('\n   - ')}`);
      return true;
    };
    // What becomes of an invitation travels by itself to a server that is not in the room. What was shown wrongly stays shown.
    await (server === this.#a ? look() : eventually(look, INVITATION_MS));
  }

  /** Reads the whole past, and asks for single events. */
  async #page(client: TestClient): Promise<void> {
    const truth = await this.#truth();
    const wanted = truth.pagesFor(client.userId);
    if (!wanted) {
      await client.expectError(403, 'M_FORBIDDEN', 'GET', `${roomPath(this.#roomId)}/messages`, undefined, { query: { dir: 'b' } });
    } else {
      const { events } = await allPages(client, this.#roomId, { dir: 'b', limit: 1 + this.#draw(20) });
      const ids = events.map((event) => event.event_id).reverse().join(' ');
      const names = (list: readonly { eventId: string }[]) => list.map(({ eventId }) => nameOf(truth.log.find((event) => event.eventId === eventId), eventId)).join(', ');
      if (ids !== wanted.map((event) => event.eventId).join(' ')) {
        throw new Error(`${client.userId} pages [${names(events.map((event) => ({ eventId: event.event_id })).reverse())}], wanted [${names(wanted)}]`);
      }
    }
    for (const event of truth.log) {
      if (this.#draw(4) !== 0) continue;
      const { status } = await client.raw('GET', `${roomPath(this.#roomId)}/event/${encodeURIComponent(event.eventId)}`);
      if ((status === 200) !== (wanted?.includes(event) ?? false)) throw new Error(`${client.userId} asks for ${nameOf(event, event.eventId)} and gets ${status}`);
    }
  }
}
