import { parseStoredJson } from '#json';
import { type Positions, positionsBy } from '../../storage/positions-text.js';
import { streamNames } from '../../bus/bus.js';
import { type AwaitedEvents, MAX_AWAITED, type SyncCursor } from '../sync-token.js';
import { RequiredState, type StateElement, type StateRule } from './required-state.js';

/** Up to where a client was told what happens in a room; null for what it was never told. */
export interface RoomMoment {
  readonly events: number;
  readonly account: number | null;
  readonly receipts: number | null;
  readonly typing: number | null;
}

/** What a client was told of a room. Rooms of which the same is known share one object. */
export interface RoomTold {
  /** Null for the moment of the connection. */
  readonly at: RoomMoment | null;
  /** The client has so many of the newest events of that moment, at least. */
  readonly limit: number;
  /** The state that it was told; null when that was as much as it may ask for. */
  readonly state: RequiredState | null;
  readonly isDirect: boolean;
  /** Events after that moment that it has. */
  readonly exclude?: ReadonlySet<string> | undefined;
}

/** What the client of a connection has, as of one answer. Never changed: an answer makes a new one. */
export interface ConnectionState {
  /** Everything up to here was looked at. */
  readonly positions: Positions;
  /** The moment of the rooms that are up to date. */
  readonly moment: RoomMoment;
  /** By number of the room. */
  readonly rooms: ReadonlyMap<number, RoomTold>;
  /** Up to where each extension that is not about rooms has told everything; null for never. */
  readonly account: number | null;
  readonly toDevice: number;
  readonly deviceLists: { readonly events: number; readonly device_lists: number };
  readonly awaited?: AwaitedEvents | undefined;
}

/** Before anything was told. @param now where the streams end */
export function newState(now: Positions): ConnectionState {
  return {
    positions: now, moment: { events: now.events, account: null, receipts: null, typing: null }, rooms: new Map(), account: null, toDevice: 0,
    // A client that begins asks for the keys of everybody whom it meets.
    deviceLists: { events: now.events, device_lists: now.device_lists },
  };
}

/**
 * Where a client goes on that comes from another home (protocol §5).
 *
 * @param rooms numbers of the rooms that the resume point names, and of those that the client is not in any more
 */
export function resumedState({ positions, resume, awaited }: SyncCursor, rooms: { named: ReadonlyMap<string, number>; left: readonly number[] }): ConnectionState {
  const { events, account, receipts, typing } = positions;
  const told = { limit: Number.MAX_SAFE_INTEGER, state: null, isDirect: false };
  const left = rooms.left.map((nid): [number, RoomTold] => [nid, { ...told, at: { events, account, receipts, typing } }]);
  const named = [...(resume?.rooms ?? [])].flatMap(([roomId, { fromPos, exclude }]): [number, RoomTold][] => {
    const nid = rooms.named.get(roomId);
    return nid === undefined ? [] : [[nid, { ...told, at: { events: fromPos, account, receipts, typing }, exclude }]];
  });
  return {
    positions, moment: { events, account, receipts, typing }, rooms: new Map([...left, ...named]), account, toDevice: 0,
    deviceLists: { events, device_lists: positions.device_lists }, awaited,
  };
}

/** The states after some answers, by their numbers. */
export function statesText(states: readonly (readonly [number, ConnectionState])[]): string {
  return `[${states.map(([number, state]) => `[${number},${stateText(state)}]`).join(',')}]`;
}

/** What `statesText` wrote. */
export function readStates(text: string): [number, ConnectionState][] {
  return (parseStoredJson(text) as [number, StoredState][]).map(([number, stored]) => [number, stateOf(stored)]);
}

/**
 * The same with rooms that the client may know although the state does not: those that ended after it.
 *
 * @param ended numbers of those rooms
 */
export function withEnded(state: ConnectionState, ended: readonly number[]): ConnectionState {
  const told: RoomTold = { at: state.moment, limit: Number.MAX_SAFE_INTEGER, state: null, isDirect: false };
  const unknown = ended.filter((nid) => !state.rooms.has(nid));
  return unknown.length === 0 ? state : { ...state, rooms: new Map([...state.rooms, ...unknown.map((nid): [number, RoomTold] => [nid, told])]) };
}

/** What is not the same for each room is not stored as often as there are rooms. */
function stateText(state: ConnectionState): string {
  const kinds = new Map<RoomTold, number[]>();
  for (const [nid, told] of state.rooms) {
    const list = kinds.get(told);
    if (list) list.push(nid);
    else kinds.set(told, [nid]);
  }
  const { moment, awaited } = state;
  return JSON.stringify({
    positions: streamNames.map((name) => state.positions[name]),
    moment: momentList(moment),
    account: state.account,
    toDevice: state.toDevice,
    deviceLists: [state.deviceLists.events, state.deviceLists.device_lists],
    awaited: awaited && [awaited.until, ...awaited.ids],
    rooms: [...kinds].map(([{ at, limit, state: wanted, isDirect, exclude }, nids]) => ({
      at: at && momentList(at), limit, state: wanted && wanted.rules, isDirect, exclude: exclude && [...exclude], nids,
    })),
  });
}

interface StoredState {
  readonly positions: readonly number[];
  readonly moment: StoredMoment;
  readonly account: number | null;
  readonly toDevice: number;
  readonly deviceLists: readonly [number, number];
  readonly awaited?: readonly [number, ...string[]];
  readonly rooms: readonly {
    readonly at: StoredMoment | null;
    readonly limit: number;
    readonly state: readonly { readonly include: readonly StateElement[]; readonly exclude: readonly StateElement[]; readonly lazy: boolean }[] | null;
    readonly isDirect: boolean;
    readonly exclude?: readonly string[];
    readonly nids: readonly number[];
  }[];
}

type StoredMoment = readonly [number, number | null, number | null, number | null];

function stateOf(stored: StoredState): ConnectionState {
  const rooms = stored.rooms.flatMap(({ at, limit, state, isDirect, exclude, nids }): [number, RoomTold][] => {
    const told: RoomTold = {
      at: at && momentOf(at), limit, state: state && new RequiredState(state as readonly StateRule[]), isDirect, ...(exclude && { exclude: new Set(exclude) }),
    };
    return nids.map((nid) => [nid, told]);
  });
  const [until, ...ids] = stored.awaited ?? [0];
  return {
    positions: positionsBy((name) => stored.positions[streamNames.indexOf(name)] ?? 0),
    moment: momentOf(stored.moment),
    rooms: new Map(rooms),
    account: stored.account,
    toDevice: stored.toDevice,
    deviceLists: { events: stored.deviceLists[0], device_lists: stored.deviceLists[1] },
    ...(ids.length > 0 && { awaited: { until, ids: new Set(ids.slice(0, MAX_AWAITED)) } }),
  };
}

function momentList({ events, account, receipts, typing }: RoomMoment): StoredMoment {
  return [events, account, receipts, typing];
}

function momentOf([events, account, receipts, typing]: StoredMoment): RoomMoment {
  return { events, account, receipts, typing };
}
