import { genesisHash, highestRecord, homeIn, recordOf, stateKeyOf, type HomeRecord, type JsonObject } from '#federation';
import { Dag, type Node, type Wish } from './dag.ts';
import { domain, entryOf, firstRecord, genesisOf, mergedRecord, nextRecord, user } from './people.ts';
import { Server } from './server.ts';

export const people = ['alice', 'bob', 'carol', 'dave'] as const;
const serverNames = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

/** The room, its servers and the links between them; what is sent while a link is cut waits for it, or is lost with its server. */
export class World {
  readonly dag = new Dag();
  readonly servers = new Map<string, Server>(serverNames.map((name) => [name, new Server(name, this.dag)]));
  readonly story: string[] = [];
  readonly #cut = new Set<string>();
  readonly #waiting = new Map<string, Node[]>();
  /** By person: the record that each of two devices has. */
  readonly devices = new Map<string, [HomeRecord, HomeRecord]>();
  /** All records that were made, and what they were made from. */
  readonly made = new Map<HomeRecord, HomeRecord | undefined>();
  readonly #keys = new Map<string, number>();
  clock = 100;

  constructor() {
    const homes: Record<string, string[]> = { alice: ['a', 'b'], bob: ['b', 'c'], carol: ['c'], dave: ['d', 'a'] };
    for (const name of people) {
      const record = firstRecord(name, homes[name]!);
      this.devices.set(name, [record, record]);
      this.made.set(record, undefined);
      for (const server of this.servers.values()) server.learn(record);
    }
    for (const name of ['a', 'b', 'c', 'd']) this.server(name).holdsRoom = true;
    const send = (name: string, type: string, stateKey: string, content: JsonObject): void => this.founding(name, homes[name]![0]!, type, stateKey, content);
    send('alice', 'm.room.create', '', { room_version: 'io.partyline.1' });
    send('alice', 'm.room.member', user('alice'), { membership: 'join' });
    send('alice', 'm.room.join_rules', '', { join_rule: 'public' });
    send('alice', 'm.room.power_levels', '', this.levels({ bob: 50, carol: 50 }, 0));
    for (const name of ['bob', 'carol', 'dave']) send(name, 'm.room.member', user(name), { membership: 'join' });
    send('alice', 'm.room.topic', '', { topic: 'old' });
  }

  levels(users: Record<string, number>, stateDefault: number): JsonObject {
    const entries = Object.entries(users);
    return {
      users: Object.fromEntries(entries.map(([name, level]) => [user(name), level])), state_default: stateDefault, invite: 0,
      'io.partyline.genesis': Object.fromEntries(entries.map(([name]) => [user(name), GENESES[name]!])),
    };
  }

  server(name: string): Server {
    return this.servers.get(name)!;
  }

  tell(text: string): void {
    this.story.push(text);
  }

  founding(name: string, at: string, type: string, stateKey: string, content: JsonObject): void {
    const server = this.server(at);
    const node = this.dag.make(this.wish(server, name, type, stateKey, content, `${name} founds ${type}`, 0)!, [...server.ends]);
    if (node.refusal) throw new Error(`founding ${type}: ${node.refusal}`);
    for (const one of this.servers.values()) if (one.holdsRoom) one.receive(node, at);
  }

  /** What a home can send in somebody's name, with the key that it has. */
  wish(server: Server, name: string, type: string, stateKey: string | undefined, content: JsonObject, text: string, skew: number): Wish | undefined {
    const record = server.records.get(user(name));
    const entry = homeIn(record, domain(server.name));
    if (!record || !entry) return undefined;
    return { type, sender: user(name), server: server.name, key: entry.key, record, content, text, ts: (this.clock += 2) + skew, ...(stateKey !== undefined && { stateKey }) };
  }

  /** An honest server sends on its ends what its state allows, and tells the others. */
  send(server: Server, name: string, type: string, stateKey: string | undefined, content: JsonObject, text: string, skew = 0): Node | undefined {
    if (!server.isHonest) return undefined;
    const wish = this.wish(server, name, type, stateKey, content, text, skew);
    if (!wish) return undefined;
    const size = this.dag.nodes.size;
    const node = this.dag.make(wish, [...server.ends].slice(-20));
    if (node.refusal !== undefined) {
      if (node.n === size) this.dag.nodes.delete(node.event.eventId);
      return undefined;
    }
    server.receive(node, server.name);
    this.tell(`${server.name}: ${text} (${node.event.eventId.slice(0, 6)}, ts ${node.event.pdu.origin_server_ts})`);
    this.deliver(node, server, [...this.servers.values()]);
    return node;
  }

  deliver(node: Node, from: Server, to: readonly Server[]): void {
    for (const server of to) {
      if (server === from || !server.holdsRoom) continue;
      const link = linkOf(from.name, server.name);
      if (!this.#cut.has(link)) this.take(server, node, from.name);
      else {
        const key = `${from.name}>${server.name}`;
        this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), node]);
      }
    }
  }

  take(server: Server, node: Node, from: string): void {
    if (!server.isAlive || server.isSeized) return;
    server.receive(node, from);
    this.carryOn(server);
  }

  cut(a: string, b: string): void {
    this.#cut.add(linkOf(a, b));
  }

  heal(a: string, b: string): void {
    this.#cut.delete(linkOf(a, b));
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const nodes = this.#waiting.get(`${from}>${to}`) ?? [];
      this.#waiting.delete(`${from}>${to}`);
      if (this.server(from).isAlive) for (const node of nodes) this.take(this.server(to), node, from);
    }
  }

  isCut(a: string, b: string): boolean {
    return this.#cut.has(linkOf(a, b));
  }

  /** Homes bring to the room what they know of their accounts' records (protocol §3 rule 4). */
  carryOn(server: Server): void {
    if (!server.isHonest) return;
    for (const name of people) {
      if (!server.isHomeOf(user(name))) continue;
      const record = server.records.get(user(name))!;
      const member = this.dag.event(server.state.get(stateKeyOf('m.room.member', user(name))) ?? '');
      const shown = recordOf(member);
      if (!member || !shown || shown.signature === record.signature || highestRecord([shown, record]) === shown) continue;
      const membership = member.pdu.content['membership'] as string;
      if (membership !== 'join' && membership !== 'leave') continue;
      this.send(server, name, 'm.room.member', user(name), { membership, 'io.partyline.carries': true }, `${name} carries record ${record.seq} as ${membership}`);
    }
  }

  /** A device makes a record and brings it to a home that is in it. */
  publish(name: string, device: number, record: HomeRecord, from: HomeRecord | undefined, at: Server): void {
    this.devices.get(name)![device as 0 | 1] = record;
    if (!this.made.has(record)) this.made.set(record, from);
    const names = (list: readonly { server_name: string }[] = []): string => list.map((one) => one.server_name[0]).join('');
    this.tell(`${name}'s device ${device} at ${at.name}: record ${record.seq}, homes ${names(record.homes)}, retired ${names(record.retired) || '-'}`);
    at.learn(record);
    for (const home of record.homes) {
      const server = this.server(home.server_name[0]!);
      if (server.isAlive && !server.isSeized && (server === at || !this.isCut(server.name, at.name))) server.learn(record);
    }
    for (const server of this.servers.values()) if (server.isHomeOf(user(name))) this.carryOn(server);
  }

  next(name: string, device: number, change: Parameters<typeof nextRecord>[2]): HomeRecord | undefined {
    try {
      return nextRecord(name, this.devices.get(name)![device as 0 | 1], change);
    } catch {
      return undefined;
    }
  }

  merged(name: string, a: HomeRecord, b: HomeRecord): HomeRecord | undefined {
    const [one, other] = [this.made.get(a), this.made.get(b)];
    try {
      return mergedRecord(name, a, b, one === other ? one : undefined);
    } catch {
      return undefined;
    }
  }

  newEntry(name: string, server: string): ReturnType<typeof entryOf> {
    const n = (this.#keys.get(`${name} ${server}`) ?? 0) + 1;
    this.#keys.set(`${name} ${server}`, n);
    return entryOf(name, server, n);
  }

  /** A home that holds no room yet takes it from these replicas, as far as it reaches them. */
  moveIn(server: Server, replicas: readonly Server[]): boolean {
    const reached = replicas.filter((replica) => replica !== server && replica.isHonest && !this.isCut(replica.name, server.name));
    if (reached.length === 0) return false;
    this.tell(`${server.name} takes the room from ${reached.map((one) => one.name).join('')}`);
    server.copyFrom(reached);
    return true;
  }
}

const linkOf = (a: string, b: string): string => [a, b].sort().join('');

const GENESES: Record<string, string> = Object.fromEntries(people.map((name) => [name, genesisHash(genesisOf(name))]));
