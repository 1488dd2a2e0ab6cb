import { compareRecords, highestRecord, homeIn, isListed, recordOf, type HomeRecord, type RoomEvent } from '#federation';
import type { Dag, Node } from './dag.ts';

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

/**
 * Events of homes that are in neither list of the last record that the room has of their sender, and that no event of one of the
 * sender's homes which revokes them builds on.
 */
export function besideRevocation(dag: Dag): Set<string> {
  const members = memberNodes(dag);
  const highest = highestRecords(dag);
  const chains = new Map<string, Set<string>>();
  const beside = new Set<string>();
  const known = new Map<string, boolean>();
  /** A revocation builds on it, by a home that counts itself. */
  /** All that revokes the home, or copies such a record, builds on it: there is no revocation beside it. */
  const isBeforeAll = (event: RoomEvent, home: Parameters<typeof isListed>[1]): boolean => members.every((node) => node.event.pdu.state_key !== event.pdu.sender
    || node.event === event || isListed(recordOf(node.event)!, home) || historyOf(dag, node, chains).has(event.eventId));
  const stood = (event: RoomEvent, home: Parameters<typeof isListed>[1]): boolean => {
    const key = `${event.eventId} ${home.key}`;
    const found = known.get(key) ?? (isBeforeAll(event, home) || stands(event, home));
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
      && earlier.event.pdu.state_key === one.pdu.sender && isLaterWithout(recordOf(earlier.event)!, dag, event, members) && !own.has(earlier.event.eventId)
      && !historyOf(dag, earlier, chains).has(event.eventId));
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

/**
 * Events of homes that are listed in the last record of their sender, but not in one that another device had signed meanwhile, and which
 * is later than that by which they acted: where the two met first, the events fell.
 */
export function fallenMeanwhile(dag: Dag): Set<string> {
  const members = memberNodes(dag);
  const highest = highestRecords(dag);
  const chains = new Map<string, Set<string>>();
  const fallen = new Set<string>();
  for (const node of dag.nodes.values()) {
    const { event } = node;
    const home = node.refusal === undefined && event.pdu.state_key !== undefined ? homeOf(dag, event) : undefined;
    const last = highest.get(event.pdu.sender);
    if (!home || !last || !isListed(last, home)) continue;
    const isBeside = members.some((other) => other.event.pdu.state_key === event.pdu.sender && isLaterWithout(recordOf(other.event)!, dag, event, members)
      && !historyOf(dag, other, chains).has(event.eventId) && !historyOf(dag, node, chains).has(other.event.eventId));
    if (isBeside) fallen.add(event.eventId);
  }
  return fallen;
}

/** Whether the event, or what it builds on, has a record without the home by which another event was made. */
export function isRevokedBehind(dag: Dag, event: RoomEvent, made: RoomEvent): boolean {
  const home = homeOf(dag, made);
  const behind = historyOf(dag, dag.get(event.eventId), new Map());
  return home !== undefined && memberNodes(dag).some(({ event: one }) => one.pdu.state_key === made.pdu.sender && !isListed(recordOf(one)!, home)
    && (one === event || behind.has(one.eventId)));
}

/** Whether a record of an event's sender is later than that by which it was made, and does not list its home any more. */
function isLaterWithout(record: HomeRecord, dag: Dag, event: RoomEvent, members: readonly Node[]): boolean {
  const acting = actingRecord(dag, event);
  const home = homeIn(acting, event.pdu.home);
  if (!acting || !home || isListed(record, home) || compareRecords(record, acting) <= 0) return false;
  return !isSparedTwin(members, event.pdu.sender, home, record);
}

/** A home that only a record with the last one's number names was added by another device; nobody has revoked it. */
function isSparedTwin(members: readonly Node[], userId: string, home: Parameters<typeof isListed>[1], last: HomeRecord): boolean {
  const naming = members.filter(({ event }) => event.pdu.state_key === userId && isListed(recordOf(event)!, home)).map(({ event }) => recordOf(event)!);
  return naming.every((record) => record.epoch === last.epoch && record.seq === last.seq);
}

function memberNodes(dag: Dag): Node[] {
  return [...dag.nodes.values()].filter(({ event, refusal }) => refusal === undefined && event.pdu.type === 'm.room.member' && recordOf(event));
}

/** Whether with this member event the home's say ends; where resolution has undone its sender's membership before, it is not cited. */
function revokes(dag: Dag, event: RoomEvent, home: Parameters<typeof isListed>[1]): boolean {
  const previous = recordOf(event.pdu.auth_events.map(dag.event).find((one) => one?.pdu.type === 'm.room.member' && one.pdu.state_key === event.pdu.sender));
  return (previous === undefined || isListed(previous, home)) && !isListed(recordOf(event)!, home);
}

function homeOf(dag: Dag, event: RoomEvent): { server_name: string; key: string } | undefined {
  return homeIn(actingRecord(dag, event), event.pdu.home);
}

function actingRecord(dag: Dag, event: RoomEvent): HomeRecord | undefined {
  const { sender, state_key: stateKey, type } = event.pdu;
  if (type === 'm.room.member' && stateKey === sender) return recordOf(event);
  return recordOf(event.pdu.auth_events.map(dag.event).find((one) => one?.pdu.type === 'm.room.member' && one.pdu.state_key === sender));
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
