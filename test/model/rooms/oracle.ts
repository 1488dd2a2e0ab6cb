import { stateKeyOf, withoutRevoked, type RoomEvent } from '#federation';
import { besideRevocation, fallenMeanwhile, isRevokedBehind } from './beside-revocation.ts';
import { isKnown, type Dag, type State } from './dag.ts';
import { PlainRoom } from './plain.ts';
import type { World } from './world.ts';

/** What is wrong with the end of a history; nothing where the promise was kept. */
export interface Judgement {
  readonly faults: readonly string[];
  /** Whether something stands otherwise than without records at all, since the event with the highest record is shown of a member. */
  readonly isResolvedOtherwise: boolean;
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
  const nothing = { faults, isResolvedOtherwise: false, isDecidedBefore: false, undoneByMatrix: 0 };
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
  const standing = mismatches(dag, final, expected).filter((one) => !isLaterOfOneHome(dag, one));
  // With the same events and no record changed: all but those of revoked homes. Or all of them: what others had decided upon these before
  // the revocation was known is in dispute nowhere any more. Or without what had fallen before a record listed its home again.
  const others = standing.length === 0 ? [] : [new Set<string>(), new Set([...beside, ...fallenMeanwhile(dag)])].filter((left) => left.size !== beside.size)
    .map((left) => new PlainRoom(dag, left, 'ordered'));
  const otherwise = standing.filter((one) => !others.some((room) => room.stateAt([...first.ends]).get(one.key) === one.is?.eventId
    || fellBeforeItWasKnown(dag, one, beside, plain, room)));
  faults.push(...otherwise.map((one) => tell(one)));
  const bare = measures ? new PlainRoom(dag, beside, 'none').stateAt([...first.ends]) : final;
  return {
    faults, isResolvedOtherwise: mismatches(dag, final, bare).some((one) => !isLaterOfOneHome(dag, one)), isDecidedBefore: otherwise.length < standing.length,
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
 * What fell by a revoked home's doing before the revocation was known does not come back where no state has it any more: at one event all
 * is as with that doing, and not as without it, and nothing before the event revokes the home.
 */
function fellBeforeItWasKnown(dag: Dag, { key, is, should }: Mismatch, beside: ReadonlySet<string>, without: PlainRoom, withAll: PlainRoom): boolean {
  if (!should || (is && !leadsTo(dag, should, is))) return false;
  return [...dag.nodes.values()].some(({ event, after }) => {
    const shown = after.get(key);
    if (shown === should.eventId || withAll.stateAt([event.eventId]).get(key) !== shown || without.stateAt([event.eventId]).get(key) !== should.eventId) return false;
    return [...beside].some((id) => leadsTo(dag, event, dag.event(id)!) && !isRevokedBehind(dag, event, dag.event(id)!));
  });
}

/** Of what somebody sets again and again at one home none cites the one before: where that home goes, the last one alone is left. */
function isLaterOfOneHome(dag: Dag, { is, should }: Mismatch): boolean {
  return is !== undefined && should !== undefined && is.pdu.type !== 'm.room.member' && is.pdu.sender === should.pdu.sender && is.pdu.home === should.pdu.home
    && leadsTo(dag, is, should);
}

function differences(dag: Dag, what: string, a: State, b: State): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key))
    .map((key) => `${what}, ${show(key)}: ${describe(dag.event(a.get(key) ?? ''))}, ${describe(dag.event(b.get(key) ?? ''))}`);
}

const show = (key: string): string => key.replace('\0', ' ').trim();
const describe = (event: RoomEvent | undefined): string => (event ? `${event.eventId.slice(0, 6)} by ${event.pdu.sender.slice(1).split(':')[0]} at ${event.pdu.home?.[0]} ${String(event.pdu.content['membership'] ?? '')}` : 'nothing');

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
