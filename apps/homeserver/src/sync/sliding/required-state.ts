import { stateKeyOf } from '#federation';
import type { StateFilter } from '../filter/state-filter.js';
import { memberOf } from '../rooms/room-log.js';

const MEMBER = 'm.room.member';

/** What of the state is meant; a member that is left out matches everything. */
export interface StateElement {
  readonly type?: string | undefined;
  readonly stateKey?: string | undefined;
}

/** One `required_state` of a request (MSC4186, "RequiredStateRequest"). */
export interface StateRule {
  readonly include: readonly StateElement[];
  readonly exclude: readonly StateElement[];
  /** Members come with the events that need them; those that are named come always. */
  readonly lazy: boolean;
}

/** The state that is wanted of a room: what any of some rules wants. */
export class RequiredState implements StateFilter {
  readonly passesAll = false;
  readonly missedMembers = false;
  readonly lazyMembers: boolean;
  readonly members: 'all' | 'none' | ReadonlySet<string>;
  /** The same text for the same rules. */
  readonly text: string;
  readonly #rules: ReadonlyMap<string, CompiledRule>;

  constructor(rules: Iterable<StateRule>) {
    this.#rules = new Map([...rules].map((rule): [string, CompiledRule] => [textOf(rule), compiled(rule)]).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    this.text = `[${[...this.#rules.keys()].join(',')}]`;
    const isBroad = this.rules.some((rule) => !rule.lazy && rule.include.some(isAllMembers) && !rule.exclude.some(isAllMembers));
    this.lazyMembers = !isBroad && this.rules.some((rule) => rule.lazy);
    const named = this.rules.flatMap((rule) => rule.include.flatMap((one) => (one.stateKey !== undefined && meansMembers(one) ? [one.stateKey] : [])));
    this.members = isBroad ? 'all' : named.length > 0 ? new Set(named) : 'none';
  }

  get rules(): readonly StateRule[] {
    return [...this.#rules.values()].map(({ rule }) => rule);
  }

  /** Whether everything that the other one wants is wanted here, as far as the rules tell. */
  covers(other: RequiredState): boolean {
    if (this.text === other.text) return true;
    return (this.lazyMembers || !other.lazyMembers) && [...other.#rules.keys()].every((text) => this.#rules.has(text));
  }

  blocksRoom(): boolean {
    return false;
  }

  passesKey(key: string): boolean {
    const member = memberOf(key);
    if (member !== undefined) return this.lazyMembers || this.#names(MEMBER, member);
    const end = key.indexOf('\u0000');
    return this.#names(key.slice(0, end), key.slice(end + 1));
  }

  #names(type: string, stateKey: string): boolean {
    for (const { include, named, exclude } of this.#rules.values()) {
      const wanted = type === MEMBER ? named : include;
      if (wanted.has(type, stateKey) && !exclude.has(type, stateKey)) return true;
    }
    return false;
  }
}

/** A rule, prepared for use. */
interface CompiledRule {
  readonly rule: StateRule;
  readonly include: Elements;
  /** What of it means members: with lazy loading those that are named. */
  readonly named: Elements;
  readonly exclude: Elements;
}

/** Elements by what they leave open, so that many cost no more than one. */
class Elements {
  readonly #all: boolean;
  readonly #types: ReadonlySet<string>;
  readonly #keys: ReadonlySet<string>;
  readonly #exact: ReadonlySet<string>;

  constructor(elements: readonly StateElement[]) {
    this.#all = elements.some(({ type, stateKey }) => type === undefined && stateKey === undefined);
    this.#types = new Set(elements.flatMap(({ type, stateKey }) => (type !== undefined && stateKey === undefined ? [type] : [])));
    this.#keys = new Set(elements.flatMap(({ type, stateKey }) => (type === undefined && stateKey !== undefined ? [stateKey] : [])));
    this.#exact = new Set(elements.flatMap(({ type, stateKey }) => (type !== undefined && stateKey !== undefined ? [stateKeyOf(type, stateKey)] : [])));
  }

  has(type: string, stateKey: string): boolean {
    return this.#all || this.#types.has(type) || this.#keys.has(stateKey) || this.#exact.has(stateKeyOf(type, stateKey));
  }
}

function compiled(rule: StateRule): CompiledRule {
  const include = new Elements(rule.include);
  const named = rule.lazy ? new Elements(rule.include.filter(({ stateKey }) => stateKey !== undefined)) : include;
  return { rule, include, named, exclude: new Elements(rule.exclude) };
}

function meansMembers({ type }: StateElement): boolean {
  return type === undefined || type === MEMBER;
}

function isAllMembers(one: StateElement): boolean {
  return one.stateKey === undefined && meansMembers(one);
}

function textOf({ include, exclude, lazy }: StateRule): string {
  const list = (elements: readonly StateElement[]): string[] => elements.map(({ type, stateKey }) => JSON.stringify([type ?? null, stateKey ?? null])).toSorted();
  return JSON.stringify([list(include), list(exclude), lazy]);
}

/** `stateKeyOf` the state that names a room, and its picture. */
export const NAME_KEY = stateKeyOf('m.room.name', '');
export const AVATAR_KEY = stateKeyOf('m.room.avatar', '');
