import type { RoomView } from '../../rooms/room-view.js';

const CHILD = 'm.space.child';
const ORDER = /^[\x20-\x7E]{1,50}$/;
/** Children of one space that are looked at. */
const MAX_CHILDREN = 1_000;
const MAX_VIA = 5;

/** An `m.space.child` event as it is shown: stripped state with `origin_server_ts`. */
export interface SpaceChild {
  readonly type: typeof CHILD;
  readonly state_key: string;
  readonly content: Readonly<Record<string, unknown>>;
  readonly sender: string;
  readonly origin_server_ts: number;
}

/** Children of a space by its state, in their order; none of a room that is no space. */
export function childrenOf(room: RoomView): SpaceChild[] {
  if (room.state.get('m.room.create', '')?.pdu.content['type'] !== 'm.space') return [];
  const children: SpaceChild[] = [];
  for (const [, { event }] of room.state.entries()) {
    const { type, state_key: stateKey, content, sender, origin_server_ts: ts } = event.pdu;
    if (type === CHILD && stateKey !== undefined) children.push({ type: CHILD, state_key: stateKey, content, sender, origin_server_ts: ts });
  }
  return sortChildren(children);
}

/** Those that are children (with `via`), by `order`, then age, then id (client-server API, §Ordering of children within a space). */
export function sortChildren(children: readonly SpaceChild[]): SpaceChild[] {
  return children
    .filter((child) => viaOf(child).length > 0)
    .sort((x, y) => compare(orderOf(x), orderOf(y)) || x.origin_server_ts - y.origin_server_ts || compare(x.state_key, y.state_key))
    .slice(0, MAX_CHILDREN);
}

export function viaOf({ content }: SpaceChild): string[] {
  const { via } = content;
  return (Array.isArray(via) ? via : []).filter((name) => typeof name === 'string').slice(0, MAX_VIA);
}

export function isSuggested({ content }: SpaceChild): boolean {
  return content['suggested'] === true;
}

/** Beyond every valid order where there is none. */
function orderOf({ content }: SpaceChild): string {
  const { order } = content;
  return typeof order === 'string' && ORDER.test(order) ? order : '\x7F';
}

function compare(x: string, y: string): number {
  return x < y ? -1 : x > y ? 1 : 0;
}
