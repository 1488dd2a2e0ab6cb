import { RequiredState } from './required-state.js';
import type { RoomConfig } from './sliding-request.js';

/** Different configurations of the rooms of one answer: those of each are read together. */
export const MAX_COMBINATIONS = 50;

/**
 * Makes one configuration of several, the same object for the same ones. A request may put each room into other lists than the others; beyond
 * `MAX_COMBINATIONS` such rooms get what is wanted of any, which is more than was asked for, and nothing less.
 */
export class CombinedConfigs {
  readonly #ids = new Map<RoomConfig, number>();
  readonly #made = new Map<string, RoomConfig>();
  readonly #states = new Map<string, RequiredState>();

  /** @param all every configuration of the request */
  constructor(private readonly all: Iterable<RoomConfig>) {}

  /** @param configs at least one */
  of(configs: readonly RoomConfig[]): RoomConfig {
    const key = configs.map((config) => this.#idOf(config)).sort((a, b) => a - b).join(' ');
    const known = this.#made.get(key);
    if (known) return known;
    if (this.#made.size < MAX_COMBINATIONS) return this.#make(key, configs);
    return this.#made.get('all') ?? this.#make('all', [...new Set(this.all)]);
  }

  #make(key: string, configs: readonly RoomConfig[]): RoomConfig {
    const config = configs.length === 1 ? configs[0]! : { limit: Math.max(...configs.map(({ limit }) => limit)), state: this.#stateOf(configs) };
    this.#made.set(key, config);
    return config;
  }

  #stateOf(configs: readonly RoomConfig[]): RequiredState {
    const state = new RequiredState(configs.flatMap((config) => config.state.rules));
    const shared = this.#states.get(state.text) ?? state;
    this.#states.set(state.text, shared);
    return shared;
  }

  #idOf(config: RoomConfig): number {
    const id = this.#ids.get(config) ?? this.#ids.size;
    this.#ids.set(config, id);
    return id;
  }
}
