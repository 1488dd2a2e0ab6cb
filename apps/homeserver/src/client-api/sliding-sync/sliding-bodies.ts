import type { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { MAX_TIMELINE_LIMIT } from '../../sync/filter/sync-filter.js';
import type { RoomConfig, SlidingRequest } from '../../sync/sliding/sliding-request.js';
import { extensionsOf } from './extensions-body.js';
import { assertBounds, presenceNamed } from './sliding-sync.schema.js';
import { MAX_UNSTABLE_SUBSCRIPTIONS, type unstableBody, unstableConfig, unstableList } from './unstable-body.js';
import { MAX_V4_SUBSCRIPTIONS, type v4Body, v4Config, v4List } from './v4-body.js';

/** What of a request does not stand in its body. */
export interface BesideBody {
  readonly requester: Requester;
  readonly frontier: boolean;
  readonly pos?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly presence?: string | undefined;
}

/** @throws MatrixError 400 M_INVALID_PARAM */
export function unstableRequest(body: z.output<typeof unstableBody>, { requester, frontier, pos, timeoutMs, presence }: BesideBody): SlidingRequest {
  assertBounds({ ...body, set_presence: presence ?? body.set_presence }, MAX_UNSTABLE_SUBSCRIPTIONS);
  const config = shared((one: Parameters<typeof unstableConfig>[0]) => unstableConfig(one, requester.userId, MAX_TIMELINE_LIMIT));
  return {
    requester, frontier, setPresence: presenceNamed(presence ?? body.set_presence), dialect: 'unstable', connId: body.conn_id ?? '', pos: pos ?? body.pos, timeoutMs: timeoutMs ?? body.timeout ?? 0,
    lists: new Map(Object.entries(body.lists ?? {}).map(([name, list]) => [name, { ...unstableList(list), config: config(list) }])),
    subscriptions: new Map(Object.entries(body.room_subscriptions ?? {}).map(([roomId, one]) => [roomId, config(one)])),
    extensions: extensionsOf(body.extensions), txnId: body.txn_id,
  };
}

/** @throws MatrixError 400 M_INVALID_PARAM */
export function v4Request(body: z.output<typeof v4Body>, { requester, frontier, timeoutMs }: BesideBody): SlidingRequest {
  assertBounds(body, MAX_V4_SUBSCRIPTIONS);
  const config = shared((one: Parameters<typeof v4Config>[0]) => v4Config(one, MAX_TIMELINE_LIMIT));
  return {
    requester, frontier, setPresence: presenceNamed(body.set_presence), dialect: 'v4', connId: body.conn_id ?? '', pos: body.pos, timeoutMs: timeoutMs ?? body.timeout ?? 0,
    lists: new Map(Object.entries(body.lists ?? {}).map(([name, list]) => [name, { ...v4List(list), config: config(list) }])),
    subscriptions: new Map(Object.entries(body.room_subscriptions ?? {}).map(([roomId, one]) => [roomId, config(one)])),
    extensions: extensionsOf(body.extensions), txnId: undefined,
  };
}

/** The same object for the same configuration: clients ask the same of most rooms. */
function shared<T extends { readonly required_state?: unknown; readonly timeline_limit: number }>(make: (one: T) => RoomConfig): (one: T) => RoomConfig {
  const made = new Map<string, RoomConfig>();
  return (one) => {
    const key = JSON.stringify([one.timeline_limit, one.required_state]);
    const config = made.get(key) ?? make(one);
    made.set(key, config);
    return config;
  };
}
