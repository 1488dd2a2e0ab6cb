import { compareRecords, homeIn, recordOf, stateKeyOf, type HomeRecord, type JsonObject } from '#federation';
import type { Node } from './dag.ts';
import type { Step } from './history.ts';
import { domain, user } from './people.ts';
import type { Server } from './server.ts';
import { people, World } from './world.ts';

const at = <T>(items: readonly T[], index: number): T | undefined => (items.length === 0 ? undefined : items[index % items.length]);

/** Plays a history and brings the servers that live together at its end. */
export function play(steps: readonly Step[]): World {
  const world = new World();
  for (const step of steps) perform(world, step);
  settle(world);
  return world;
}

function perform(world: World, step: Step): void {
  const name = at(people, step.who)!;
  const target = at(people, step.whom)!;
  const servers = [...world.servers.values()];
  switch (step.what) {
    case 'cut': return forPair(step, servers, (a, b) => (world.tell(`cut ${a}${b}`), world.cut(a, b)));
    case 'heal': return forPair(step, servers, (a, b) => (world.tell(`heal ${a}${b}`), world.heal(a, b)));
    case 'kill': return kill(world, at(servers, step.where)!);
    case 'drop': case 'revoke': case 'close': case 'drop apart': case 'revoke apart': return takeAway(world, step, name);
    case 'add': case 'add apart': case 'emergency': return add(world, step, name, servers);
    case 'merge': return merge(world, name, step.where);
    case 'seize': return seize(world, at(servers, step.where)!);
    case 'strike': case 'strike old': return strike(world, step, name, target);
    default: act(world, step, name, target);
  }
}

function forPair({ who, whom }: Step, servers: readonly Server[], work: (a: string, b: string) => void): void {
  const [a, b] = [at(servers, who)!.name, at(servers, whom)!.name];
  if (a !== b) work(a, b);
}

function kill(world: World, server: Server): void {
  // One replica has to be left that is honest and holds the room.
  if (!server.isAlive || [...world.servers.values()].filter((one) => one.isHonest && one !== server).length < 2) return;
  world.tell(`${server.name} dies`);
  server.isAlive = false;
}

function seize(world: World, server: Server): void {
  if (!server.isAlive || !server.holdsRoom || [...world.servers.values()].filter((one) => one.isHonest && one !== server).length < 2) return;
  world.tell(`${server.name} is seized`);
  server.isSeized = true;
}

/** What somebody does at one of the homes. */
function act(world: World, step: Step, name: string, target: string): void {
  const homes = [...world.servers.values()].filter((server) => server.isHonest && server.isHomeOf(user(name)));
  const server = at(homes, step.where);
  if (!server) return;
  const [type, stateKey, content] = contentOf(world, step, name, target);
  world.send(server, name, type, stateKey, content, `${name} ${step.what} ${type === 'm.room.member' ? target : JSON.stringify(content['topic'] ?? content['join_rule'] ?? '')}`, step.skew);
}

export function contentOf(world: World, step: Step, name: string, target: string): [type: string, stateKey: string | undefined, content: JsonObject] {
  const member = (membership: string, of = target): [string, string, JsonObject] => ['m.room.member', user(of), { membership }];
  switch (step.what) {
    case 'levels': return ['m.room.power_levels', '', world.levels(
      { bob: [0, 50, 60][step.choice % 3]!, carol: [0, 50, 60][(step.choice >> 2) % 3]!, ...(step.choice & 64 ? { dave: 50 } : {}) }, [0, 50][step.mask % 2]!,
    )];
    case 'kick': case 'unban': return target === name ? member('join', name) : member('leave');
    case 'ban': return target === name ? member('join', name) : member('ban');
    case 'invite': return target === name ? member('join', name) : member('invite');
    case 'leave': return member('leave', name);
    case 'join': return member('join', name);
    case 'name': return ['m.room.member', user(name), { membership: 'join', displayname: `${step.choice}` }];
    case 'rules': return ['m.room.join_rules', '', { join_rule: step.choice % 2 === 0 ? 'public' : 'invite' }];
    case 'say': return ['m.room.message', undefined, { body: `${step.choice}` }];
    default: return ['m.room.topic', '', { topic: `${step.choice}` }];
  }
}

function takeAway(world: World, step: Step, name: string): void {
  const device = step.what.endsWith('apart') ? 1 : 0;
  if (device === 0) sync(world, name);
  const current = world.devices.get(name)![device];
  const what = step.what.split(' ')[0] as 'drop' | 'revoke' | 'close';
  const list = what === 'close' ? (current.retired ?? []) : what === 'revoke' ? [...current.homes, ...(current.retired ?? [])] : current.homes;
  const home = at(list, step.where)?.server_name;
  const record = home === undefined ? undefined : world.next(name, device, { [what]: [home] });
  if (record) bring(world, step, name, device, record, current);
}

/** The devices of a person tell each other now and then, unless they sign apart. */
function sync(world: World, name: string): void {
  const pair = world.devices.get(name)!;
  const [one, other] = pair;
  if (one !== other && isAncestor(world, one, other)) pair[0] = other;
  else if (one !== other && isAncestor(world, other, one)) pair[1] = one;
}

function isAncestor(world: World, older: HomeRecord, newer: HomeRecord): boolean {
  for (let record: HomeRecord | undefined = newer; record; record = world.made.get(record)) if (record === older) return true;
  return false;
}

function bring(world: World, step: Step, name: string, device: number, record: HomeRecord, from: HomeRecord): void {
  const homes = record.homes.map((home) => world.server(home.server_name[0]!)).filter((server) => server.isAlive && !server.isSeized);
  const server = at(homes, step.whom);
  if (server) world.publish(name, device, record, from, server);
}

/** A new home: with the others, or by itself when they are dead. It takes the room from any replicas. */
function add(world: World, step: Step, name: string, servers: readonly Server[]): void {
  const device = step.what.endsWith('apart') ? 1 : 0;
  if (device === 0) sync(world, name);
  const current = world.devices.get(name)![device];
  const candidates = servers.filter((one) => one.isAlive && !one.isSeized && !homeIn(current, domain(one.name)));
  const server = at(candidates, step.where);
  if (!server) return;
  const replicas = servers.filter((_, i) => (step.mask >> i) & 1);
  if (!server.holdsRoom && !world.moveIn(server, replicas)) return;
  const gone = step.what === 'emergency' ? current.homes.map((home) => home.server_name) : [];
  const record = world.next(name, device, { add: [world.newEntry(name, server.name)], [step.choice % 3 === 0 ? 'revoke' : 'drop']: gone });
  if (record) world.publish(name, device, record, current, server);
}

function merge(world: World, name: string, where: number): void {
  const pair = world.devices.get(name)!;
  sync(world, name);
  const [one, other] = pair;
  if (one === other) return;
  const record = world.merged(name, one, other);
  const server = record && at(record.homes.map((home) => world.server(home.server_name[0]!)).filter((home) => home.isAlive && !home.isSeized), where);
  if (!record || !server) return;
  pair[0] = pair[1] = record;
  world.publish(name, 0, record, compareRecords(one, other) > 0 ? one : other, server);
  pair[1] = record;
}

/** A seized home does what it likes in the names of those whose home it is or was, behind any event, at any time, before anybody. */
function strike(world: World, step: Step, name: string, target: string): void {
  const thieves = [...world.servers.values()].filter((server) => server.isSeized);
  const server = at(thieves, step.where);
  if (!server) return;
  const nodes = [...world.dag.nodes.values()].filter((node) => node.refusal === undefined);
  const isOld = step.what === 'strike old';
  const prev = isOld ? at(nodes, step.choice)! : at(nodes.slice(-6), step.choice)!;
  const state = world.dag.reader(prev.after);
  const record = recordOf(state.get('m.room.member', user(name)));
  const entry = homeIn(record, domain(server.name));
  if (!record || !entry) return;
  const what = (['levels', 'topic', 'kick', 'ban', 'leave', 'join', 'rules', 'invite'] as const)[step.mask % 8]!;
  const [type, stateKey, content] = contentOf(world, { ...step, what }, name, target);
  const own: Node = world.dag.make({
    type, sender: user(name), server: server.name, key: entry.key, record, content, ts: [1, 50, world.clock, 9_999][step.where % 4]!,
    text: '', ...(stateKey !== undefined && { stateKey }),
  }, [prev.event.eventId]);
  if (own.refusal !== undefined) return;
  world.tell(`${server.name}, seized: ${name} ${what} ${stateKey ?? ''} behind ${prev.event.eventId.slice(0, 6)} (${own.event.eventId.slice(0, 6)}, ts ${own.event.pdu.origin_server_ts}), to ${step.mask}`);
  server.known.add(own.event.eventId);
  world.deliver(own, server, [...world.servers.values()].filter((_, i) => (step.mask >> i) & 1 || step.choice % 4 === 0));
}

/** All links open, records merged, everybody says something until nothing changes any more. */
function settle(world: World): void {
  world.tell('all links open');
  const names = [...world.servers.keys()];
  for (const a of names) for (const b of names) if (a < b) world.heal(a, b);
  for (const name of people) merge(world, name, 0);
  for (let round = 0; round < 6; round++) {
    for (const server of world.servers.values()) {
      if (!server.isHonest) continue;
      for (const other of world.servers.values()) if (other.isAlive && !other.isSeized && other.holdsRoom) for (const record of other.records.values()) server.learn(record);
      world.carryOn(server);
      talk(world, server);
    }
    const ends = new Set([...world.servers.values()].filter((server) => server.isHonest).map((server) => [...server.ends].sort().join()));
    if (round > 1 && ends.size <= 1) return;
  }
}

function talk(world: World, server: Server): void {
  const at = world.clock % people.length;
  for (const name of [...people.slice(at), ...people.slice(0, at)]) {
    const member = world.dag.event(server.state.get(stateKeyOf('m.room.member', user(name))) ?? '');
    if (member?.pdu.content['membership'] !== 'join' || !server.isHomeOf(user(name))) continue;
    if (world.send(server, name, 'm.room.message', undefined, { body: `flush ${world.clock}` }, `${name} talks`)) return;
  }
}
