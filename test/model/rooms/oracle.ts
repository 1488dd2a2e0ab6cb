import { compareRecords, highestRecord, homeIn, isListed, recordOf, stateKeyOf, withoutRevoked, type HomeRecord, type RoomEvent } from '#federation';
import { isKnown, type Dag, type Node, type State } from './dag.ts';
import { PlainRoom } from './plain.ts';
import type { World } from './world.ts';

/** What is wrong with the end of a history; nothing where the promise was kept. */
export interface Judgement {
  readonly faults: readonly string[];
  /** Whether something that a revoked home had replaced came out as it was before. */
  readonly isSetBackByThief: boolean;
  /** Whether something stands otherwise than without records at all, since the event with the highest record is shown of a member. */
  readonly isResolvedOtherwise: boolean;
  /** Whether something stands that Matrix would have undone: what replaced an older event that came out without homes. */
  readonly isKeptNewer: boolean;
  /** Whether something is as with all that the revoked homes did, and not as without: it was decided before the revocation was known. */
  readonly isDecidedBefore: boolean;
  /** Events that were acknowledged and that Matrix's own resolution has undone, homes or not. */
  readonly undoneByMatrix: number;
}

/**
 * The promise (protocol §3): all servers end equal; what a revoked home did beside its revocation stands nowhere; and beyond that
 * nothing stands or falls that would not with the same events and no record changed.
 *
 * @param measures whether it also looks what would stand if no record was shown (`isResolvedOtherwise`)
 */
export function judge(world: World, measures = true): Judgement {
  const { dag } = world;
  // As ever in Matrix, a server whose people have left, as the others see it, is told no more and may think otherwise.
  const residents = [...world.servers.values()].filter((server) => server.isHonest && server.names(server));
  const servers = residents.filter((server) => residents.length === 1 || residents.some((other) => other !== server && other.names(server)));
  const [first] = servers;
  const faults: string[] = [];
  const nothing = { faults, isSetBackByThief: false, isResolvedOtherwise: false, isKeptNewer: false, isDecidedBefore: false, undoneByMatrix: 0 };
  if (!first) return nothing;
  const final = first.state;
  for (const server of servers) faults.push(...differences(dag, `${first.name} and ${server.name} differ`, final, server.state));
  if (faults.length > 0) return nothing;
  // What an honest server tells another one of its state is taken as it is.
  faults.push(...differences(dag, 'what is told', final, withoutRevoked(final, dag.event)));
  if (faults.length > 0) return nothing;

  const beside = besideRevocation(dag);
  for (const [key, id] of final) if (!isKnown(key) && beside.has(id)) faults.push(`${show(key)}: what a revoked home did stands, ${id.slice(0, 6)}`);
  const plain = new PlainRoom(dag, beside, 'ordered');
  const expected = plain.stateAt([...first.ends]);
  const setByThieves = new Set([...beside].map((id) => stateKeyOf(dag.event(id)!.pdu.type, dag.event(id)!.pdu.state_key!)));
  // Matrix would have gone back to what the event replaced: that it stands here is no harm.
  const isNewer = ({ is, should }: Mismatch): boolean => is !== undefined && should !== undefined && leadsTo(dag, is, should);
  const all = mismatches(dag, final, expected);
  const standing = all.filter((one) => !isNewer(one));
  // With the same events and no record changed: all but those of revoked homes, or all of them. What others had decided upon these before
  // the revocation was known is in dispute nowhere any more.
  const whole = standing.length > 0 && beside.size > 0 ? new PlainRoom(dag, new Set(), 'ordered').stateAt([...first.ends]) : expected;
  const otherwise = standing.filter(({ key, is }) => whole === expected || is?.eventId !== whole.get(key));
  faults.push(...otherwise.filter((one) => !isSetBack(dag, one, setByThieves) && !isUndisputed(dag, one)).map((one) => tell(one)));
  const bare = measures ? new PlainRoom(dag, beside, 'none').stateAt([...first.ends]) : final;
  const isSetBackByThief = otherwise.some((one) => isSetBack(dag, one, setByThieves));
  return {
    faults, isSetBackByThief, isResolvedOtherwise: mismatches(dag, final, bare).some((one) => !isNewer(one)),
    isKeptNewer: all.some(isNewer) || otherwise.some((one) => isUndisputed(dag, one)), isDecidedBefore: otherwise.length < standing.length,
    undoneByMatrix: undone(dag, expected, plain),
  };
}

/** What stands otherwise than it would. */
function mismatches(dag: Dag, final: State, expected: State): Mismatch[] {
  const found: Mismatch[] = [];
  for (const key of new Set([...final.keys(), ...expected.keys()])) {
    const [is, should] = [final.get(key), expected.get(key)];
    if (isKnown(key) || is === should) continue;
    const [event, other] = [dag.event(is ?? ''), dag.event(should ?? '')];
    // Of those who are in the room the event with the highest record is shown; what counts is whether they are.
    if (key.startsWith('m.room.member') && event?.pdu.content['membership'] === other?.pdu.content['membership']) continue;
    found.push({ key, is: event, should: other });
  }
  return found;
}

interface Mismatch {
  readonly key: string;
  readonly is: RoomEvent | undefined;
  readonly should: RoomEvent | undefined;
}

const tell = ({ key, is, should }: Mismatch): string => `${show(key)}: is ${describe(is)}, without homes ${describe(should)}`;

/**
 * What a revoked home replaced beside its revocation comes back from what others hold, and what they hold may be older: nothing in
 * an event says what it replaced. People and power are not set back, since their events do say it.
 */
function isSetBack(dag: Dag, { key, is, should }: Mismatch, setByThieves: ReadonlySet<string>): boolean {
  if (key.startsWith('m.room.member') || key.startsWith('m.room.power_levels') || !setByThieves.has(key) || !should) return false;
  return !is || leadsTo(dag, should, is);
}

/**
 * What a revoked home had set, and others have replaced, disputes nothing any more where a replica still has it. So what replaced
 * it stands, though Matrix might have undone it.
 */
function isUndisputed(dag: Dag, { key, is, should }: Mismatch): boolean {
  if (key.startsWith('m.room.member') || key.startsWith('m.room.power_levels') || !is || (should && !leadsTo(dag, is, should))) return false;
  const highest = highestRecords(dag);
  return [...dag.nodes.values()].some(({ event, refusal }) => {
    if (refusal !== undefined || event.pdu.state_key === undefined || stateKeyOf(event.pdu.type, event.pdu.state_key) !== key) return false;
    const [home, last] = [homeOf(dag, event), highest.get(event.pdu.sender)];
    return home !== undefined && last !== undefined && !isListed(last, home) && leadsTo(dag, is, event);
  });
}

/** The last record that the room has of each user. */
function highestRecords(dag: Dag): Map<string, HomeRecord> {
  const highest = new Map<string, HomeRecord>();
  for (const { event, refusal } of dag.nodes.values()) {
    const record = refusal === undefined && event.pdu.type === 'm.room.member' ? recordOf(event) : undefined;
    const known = highest.get(event.pdu.state_key ?? '');
    if (record && (!known || compareRecords(record, known) > 0)) highest.set(event.pdu.state_key!, record);
  }
  return highest;
}

function differences(dag: Dag, what: string, a: State, b: State): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key))
    .map((key) => `${what}, ${show(key)}: ${describe(dag.event(a.get(key) ?? ''))}, ${describe(dag.event(b.get(key) ?? ''))}`);
}

const show = (key: string): string => key.replace('\0', ' ').trim();
const describe = (event: RoomEvent | undefined): string => (event ? `${event.eventId.slice(0, 6)} by ${event.pdu.sender.slice(1).split(':')[0]} at ${event.pdu.home?.[0]} ${String(event.pdu.content['membership'] ?? '')}` : 'nothing');

/**
 * Events of homes that are in neither list of the last record that the room has of their sender, and that no event of one of the
 * sender's homes which revokes them builds on.
 */
export function besideRevocation(dag: Dag): Set<string> {
  const members = [...dag.nodes.values()].filter(({ event, refusal }) => refusal === undefined && event.pdu.type === 'm.room.member' && recordOf(event));
  const highest = highestRecords(dag);
  const chains = new Map<string, Set<string>>();
  const beside = new Set<string>();
  const known = new Map<string, boolean>();
  /** A revocation builds on it, by a home that counts itself. */
  const stood = (event: RoomEvent, home: Parameters<typeof isListed>[1]): boolean => {
    const key = `${event.eventId} ${home.key}`;
    const found = known.get(key) ?? stands(event, home);
    known.set(key, found);
    return found;
  };
  const stands = (event: RoomEvent, home: Parameters<typeof isListed>[1]): boolean => members.some((node) => {
    const one = node.event;
    if (one.pdu.sender !== event.pdu.sender || one.pdu.state_key !== one.pdu.sender || isListed(recordOf(one)!, home)) return false;
    const history = historyOf(dag, node, chains);
    if (!history.has(event.eventId)) return false;
    // Or the home was spared until then, and what it had done stood.
    const wasSpared = (): boolean => {
      const earlier = members.filter((other) => history.has(other.event.eventId) && other.event.pdu.state_key === one.pdu.sender);
      const last = highestRecord(earlier.map((other) => recordOf(other.event)!));
      return last !== undefined && [...node.before.values()].includes(event.eventId) && isSparedTwin(earlier, one.pdu.sender, home, last);
    };
    if (!revokes(dag, one, home) && !wasSpared()) return false;
    // Unless it had fallen before: of it and a revocation on which this one builds, neither knew the other. What builds on one was
    // allowed behind it, by a record of another device that names the home again.
    const own = historyOf(dag, dag.get(event.eventId), chains);
    const fell = ![...node.before.values()].includes(event.eventId) && members.some((earlier) => history.has(earlier.event.eventId) && earlier.event.pdu.sender === one.pdu.sender
      && earlier.event.pdu.state_key === one.pdu.sender && revokes(dag, earlier.event, home) && !own.has(earlier.event.eventId) && !historyOf(dag, earlier, chains).has(event.eventId));
    if (fell) return false;
    const by = homeOf(dag, one)!;
    return isListed(highest.get(one.pdu.sender)!, by) || stood(one, by);
  });
  for (const node of dag.nodes.values()) {
    const { event } = node;
    if (node.refusal !== undefined || event.pdu.state_key === undefined || event.pdu.type === 'm.room.create') continue;
    const home = homeOf(dag, event);
    const last = highest.get(event.pdu.sender);
    if (!home || !last || isListed(last, home) || isSparedTwin(members, event.pdu.sender, home, last)) continue;
    if (!stood(event, home)) beside.add(event.eventId);
  }
  return beside;
}

/** A home that only a record with the last one's number names was added by another device; nobody has revoked it. */
function isSparedTwin(members: readonly Node[], userId: string, home: Parameters<typeof isListed>[1], last: HomeRecord): boolean {
  const naming = members.filter(({ event }) => event.pdu.state_key === userId && isListed(recordOf(event)!, home)).map(({ event }) => recordOf(event)!);
  return naming.every((record) => record.epoch === last.epoch && record.seq === last.seq);
}

/** Whether with this member event the home's say ends; where resolution has undone its sender's membership before, it is not cited. */
function revokes(dag: Dag, event: RoomEvent, home: Parameters<typeof isListed>[1]): boolean {
  const previous = recordOf(event.pdu.auth_events.map(dag.event).find((one) => one?.pdu.type === 'm.room.member' && one.pdu.state_key === event.pdu.sender));
  return (previous === undefined || isListed(previous, home)) && !isListed(recordOf(event)!, home);
}

function homeOf(dag: Dag, event: RoomEvent): { server_name: string; key: string } | undefined {
  const { sender, state_key: stateKey, type } = event.pdu;
  const own = type === 'm.room.member' && stateKey === sender ? event : event.pdu.auth_events.map(dag.event).find((one) => one?.pdu.type === 'm.room.member' && one.pdu.state_key === sender);
  return homeIn(recordOf(own), event.pdu.home);
}

/** Everything that an event builds on. */
function historyOf(dag: Dag, { event }: Node, chains: Map<string, Set<string>>): Set<string> {
  let chain = chains.get(event.eventId);
  if (!chain) {
    chain = new Set();
    const stack = [...event.pdu.prev_events];
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (chain.has(id)) continue;
      chain.add(id);
      stack.push(...dag.event(id)!.pdu.prev_events);
    }
    chains.set(event.eventId, chain);
  }
  return chain;
}

/** State that nothing replaced and that is not there at the end. */
function undone(dag: Dag, final: State, plain: PlainRoom): number {
  let count = 0;
  for (const { event, refusal } of dag.nodes.values()) {
    const { type, state_key: stateKey } = event.pdu;
    if (refusal !== undefined || stateKey === undefined || type === 'm.room.member' || plain.isRefused(event.eventId)) continue;
    const shown = dag.event(final.get(stateKeyOf(type, stateKey)) ?? '');
    if (!shown || leadsTo(dag, event, shown)) count++;
  }
  return count;
}

/** Whether an older event of the same key is shown in an event's place. */
function leadsTo(dag: Dag, from: RoomEvent, to: RoomEvent): boolean {
  if (from === to) return false;
  const seen = new Set<string>();
  const stack = [...from.pdu.prev_events];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (id === to.eventId) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    stack.push(...dag.event(id)!.pdu.prev_events);
  }
  return false;
}
