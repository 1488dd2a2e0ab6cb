import { z } from 'zod';
import { presenceNames, type PresenceName } from '../../ephemeral/presence/presence-state.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { text } from '../../http/query-schemas.js';
import { MAX_TIMEOUT_MS } from '../../sync/sync.service.js';

// What both forms of a request have in common (MSC4186). What is not known is left out: extensions come and go.

const MAX_LISTS = 100;
const MAX_NAMES = 1_000;
/** Of `required_state`: of one, and of all that differ, as rooms in several lists get all of theirs. */
const MAX_ELEMENTS = 200;
const MAX_ALL_ELEMENTS = 2_000;

const roomId = text(255);
const name = text(255);
const names = z.array(name).max(MAX_NAMES);
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

const count = z.int().min(0);
export const timeoutSchema = count.transform((ms) => Math.min(ms, MAX_TIMEOUT_MS));
export const positionText = z.string().max(2_048);
export const presence = text(255);
export const range = z.tuple([count, count]);

/** @param config `required_state` and `timeline_limit` of the form */
export const byList = <T extends z.ZodType>(config: T) => optional(z.record(z.string().min(1).max(64), config));
export const byRoom = <T extends z.ZodType>(config: T) => optional(z.record(roomId, config));

interface Bounded {
  readonly lists?: Readonly<Record<string, Configured>> | undefined;
  readonly room_subscriptions?: Readonly<Record<string, Configured>> | undefined;
  readonly set_presence?: string | undefined;
}
interface Configured {
  readonly required_state?: unknown;
}

/** @throws MatrixError 400 M_INVALID_PARAM beyond what MSC4186 allows, or this server */
export function assertBounds(body: Bounded, maxSubscriptions: number): void {
  const countOf = (entries: object | undefined): number => Object.keys(entries ?? {}).length;
  if (countOf(body.lists) > MAX_LISTS) throw MatrixError.invalidParam(`A request has at most ${MAX_LISTS} lists`);
  if (countOf(body.room_subscriptions) > maxSubscriptions) throw MatrixError.invalidParam(`A request has at most ${maxSubscriptions} subscriptions`);
  const states = new Map([...Object.values(body.lists ?? {}), ...Object.values(body.room_subscriptions ?? {})].map((one) => [JSON.stringify(one.required_state), one.required_state]));
  if ([...states.values()].reduce((sum: number, state) => sum + elementsIn(state), 0) > MAX_ALL_ELEMENTS) throw MatrixError.invalidParam(`Different required_state of a request have at most ${MAX_ALL_ELEMENTS} elements`);
  if (body.set_presence !== undefined && !presenceNamed(body.set_presence)) throw MatrixError.invalidParam('There is no such presence');
}

/** Elements of a `required_state` in either form. */
function elementsIn(state: unknown): number {
  if (Array.isArray(state)) return state.length;
  const { include, exclude } = (state ?? {}) as { include?: readonly unknown[] | null; exclude?: readonly unknown[] | null };
  return (include?.length ?? 0) + (exclude?.length ?? 0);
}

/** The presence that is called so. */
export function presenceNamed(name: string | undefined): PresenceName | undefined {
  return presenceNames.find((one) => one === name);
}

export const timelineLimit = count;

export const filtersShape = {
  is_dm: optional(z.boolean()),
  is_encrypted: optional(z.boolean()),
  spaces: optional(z.array(roomId).max(MAX_NAMES)),
  room_types: optional(z.array(name.nullable()).max(MAX_NAMES)),
  not_room_types: optional(z.array(name.nullable()).max(MAX_NAMES)),
  tags: optional(names),
  not_tags: optional(names),
};

export const stateElements = (element: z.ZodType) => z.array(element).max(MAX_ELEMENTS);

const switchedShape = { enabled: optional(z.boolean()) };
const scopedSchema = z.object({ ...switchedShape, lists: optional(names), rooms: optional(names) });

export const extensionsSchema = optional(z.object({
  to_device: optional(z.object({ ...switchedShape, since: optional(positionText), limit: optional(count) })),
  e2ee: optional(z.object(switchedShape)),
  account_data: optional(scopedSchema),
  receipts: optional(scopedSchema),
  typing: optional(scopedSchema),
  'org.matrix.msc4508.typing': optional(scopedSchema),
}));

export type ExtensionsBody = z.output<typeof extensionsSchema>;
export type ScopeBody = z.output<typeof scopedSchema>;

export const commonShape = {
  conn_id: optional(text(255)),
  pos: optional(positionText),
  txn_id: optional(text(255)),
  timeout: optional(timeoutSchema),
  set_presence: optional(presence),
  extensions: extensionsSchema,
  // COMPAT(matrix-js-sdk): its own time-out, which it sends along.
  clientTimeout: z.unknown().optional(),
};
