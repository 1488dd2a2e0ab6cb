import { isLogOf, itemName, standingOf, type AccountOperation, type HomeRecord } from '../../../libs/federation/src/index.js';
import { keyOf, recordFor } from '../../../libs/federation/src/event-auth/room-fixture.js';
import { hashOf } from './hash-of.js';
import { ModelHome } from './model-home.js';
import { HOMES, type Step, type Story } from './story.js';

const userId = '@alice:h0.example';
const names = Array.from({ length: HOMES }, (_, i) => `h${i}.example`);
const START_MS = 1_000_000_000_000;
const ITEMS = ['0', '1', '2'];
/** Ways of a home back into a log that it had; more it would have to be told by its operator. */
const MAX_RESTORES = 2;

interface Acknowledged {
  readonly op: AccountOperation;
  readonly home: number;
}

/** Plays a story with homes that follow the rules and one that does not, lets the honest ones talk, and looks. */
export class World {
  readonly homes: ModelHome[];
  readonly #records: HomeRecord[];
  readonly #liar: number | null;
  readonly #acknowledged: Acknowledged[] = [];
  readonly #restores = Array.from({ length: HOMES }, () => 0);
  #now = START_MS;
  #keys = 0;

  constructor(story: Story) {
    const first = recordFor(userId, 1, names);
    this.#records = [first];
    this.#liar = story.liar;
    this.homes = names.map((name, i) => new ModelHome(name, first.homes[i]!.key, first, userId, story.clocks[i]!));
    for (const step of story.steps) this.#play(step);
  }

  /** @returns what is wrong; null when nothing is */
  verdict(): string | null {
    const honest = this.homes.filter((home, i) => i !== this.#liar && this.#latest.homes.some(({ key }) => key === home.key));
    if (honest.length === 0) return null;
    // Clients keep the highest record and bring it to each home that they meet.
    for (const home of honest) home.follow(this.#latest);
    for (let round = 0; round < 4; round++) for (const a of honest) for (const b of honest) this.#talk(a, b);
    const wrong = this.#unequal(honest) ?? this.#missing(honest);
    if (wrong !== null) return wrong;
    // A wrong clock decides until the next write that saw it.
    for (const key of ITEMS) honest[0]!.write('data', key, '"last"', -START_MS * 2);
    for (const home of honest) this.#talk(honest[0]!, home);
    for (const home of honest) for (const key of ITEMS) if (home.shown(key) !== '"last"') return `${home.name} shows ${home.shown(key)} of item ${key} after it was written with a clock far behind`;
    return null;
  }

  get #latest(): HomeRecord {
    return this.#records.at(-1)!;
  }

  #unequal(honest: readonly ModelHome[]): string | null {
    const summary = (home: ModelHome): string => JSON.stringify([
      home.record.seq, home.log.ends(), [...home.log.items].sort().map((item) => [item, home.log.newest(item).map(({ hash }) => hash).sort()]).filter(([, list]) => list!.length > 0),
      ITEMS.map((key) => home.log.shown(itemName({ kind: 'data', key }))?.hash),
    ]);
    const [first, ...others] = honest.map((home) => [home.name, summary(home)] as const);
    const other = others.find(([, text]) => text !== first![1]);
    return other ? `${first![0]} and ${other[0]} differ:\n${first![1]}\n${other[1]}` : null;
  }

  /** What an honest home acknowledged that is in force and did not lose it. */
  #missing(honest: readonly ModelHome[]): string | null {
    for (const { op, home } of this.#acknowledged) {
      const writer = this.homes[home]!;
      if (!honest.includes(writer) || !isLogOf(op.log, userId, writer.key) || !writer.ops.includes(op)) continue;
      for (const other of honest) {
        if (!this.#counts(other, op)) return `${other.name} lacks operation ${op.n} of ${writer.name}, item ${op.key} = ${op.value}`;
      }
    }
    for (const [i, home] of this.homes.entries()) {
      if (!honest.includes(home) || this.#restores[i]! > 0) continue;
      for (const op of home.stands) {
        const standing = standingOf(this.#latest, op.log).as;
        for (const other of standing === 'closing' ? honest : []) {
          if (!this.#counts(other, op)) return `${other.name} lacks operation ${op.n} of the retired ${op.home}, which ${home.name} held`;
        }
      }
    }
    return null;
  }

  #counts(home: ModelHome, op: AccountOperation): boolean {
    const at = home.log.find(op.log, [op.n, hashOf(op)]);
    return at !== undefined && home.log.counts({ log: op.log, ...at });
  }

  #play(step: Step): void {
    this.#now += 1_000;
    const home = this.homes[step.home]!;
    const isLiar = step.home === this.#liar;
    switch (step.what) {
      case 'write': {
        if (!home.isInForce || isLiar) return;
        const op = home.write('data', String(step.item), step.value === null ? 'null' : `"${step.value}"`, this.#now);
        this.#acknowledged.push({ op, home: step.home });
        return;
      }
      case 'talk': return this.#talk(home, this.homes[step.with]!, step.share);
      case 'lie': return this.#lie(home, step);
      case 'restore': {
        if (isLiar || ++this.#restores[step.home]! > MAX_RESTORES) return;
        home.restore(Math.floor((home.ops.length * step.to) / 16), this.#records[Math.floor((this.#records.length - 1) * (step.to / 16))]!, step.notices);
        return;
      }
      case 'drop': return this.#drop(step);
      case 'add': return this.#add(step);
    }
  }

  /** Homes of which one knows the other by its record. */
  #talk(a: ModelHome, b: ModelHome, share = 16): void {
    if (a === b) return;
    const names = (home: ModelHome, other: ModelHome) => home.record.homes.some(({ key }) => key === other.key);
    if (!names(a, b) && !names(b, a)) return;
    const [higher, lower] = a.record.seq >= b.record.seq ? [a, b] : [b, a];
    if (this.homes.indexOf(lower) !== this.#liar) lower.follow(higher.record);
    for (const [from, to] of [[a, b], [b, a]] as const) {
      if (this.homes.indexOf(to) === this.#liar) to.ops.push(...from.ops.filter((op) => !to.ops.includes(op)));
      else if (names(to, from) && this.homes.indexOf(from) !== this.#liar) {
        to.learn([...from.former, from.record]);
        to.take(from.given());
      } else if (names(to, from)) to.take(from.ops.slice(0, Math.floor((from.ops.length * share) / 16)));
    }
  }

  #lie(home: ModelHome, { to, after, item, ms }: Step & { what: 'lie' }): void {
    const victim = this.homes[to]!;
    if (this.homes.indexOf(home) !== this.#liar || victim === home) return;
    if (home.ownLog === null) home.beginAnew();
    const own = home.ops.filter((op) => op.log === home.ownLog);
    const prev = own[after] ?? own.at(-1);
    const seen = home.ops.filter((op) => op.log !== home.ownLog).at(-1 - (after % 3));
    const op: AccountOperation = {
      user_id: userId, log: home.ownLog!, n: (prev?.n ?? 0) + 1, prev: prev ? hashOf(prev) : null,
      after: seen ? { [seen.log]: [[seen.n + (after % 7 === 0 ? 5 : 0), hashOf(seen)]] } : {}, home: home.name, ms: Math.max(0, this.#now + ms), kind: 'data', key: String(item),
      value: `"lie ${home.ops.length}"`, signature: '',
    };
    home.ops.push(op);
    if (victim.record.homes.some(({ key }) => key === home.key)) victim.take([...own, op]);
  }

  #drop({ home, at, revoke, cut }: Step & { what: 'drop' }): void {
    const [gone, told] = [this.homes[home]!, this.homes[at]!];
    const record = this.#latest;
    const entry = record.homes.find(({ key }) => key === gone.key);
    if (!entry || gone === told || record.homes.length < 2 || at === this.#liar || !record.homes.some(({ key }) => key === told.key)) return;
    told.follow(record);
    const logs = [...told.log.logs.keys()].filter((log) => isLogOf(log, userId, gone.key));
    const cuts = cut ? Object.fromEntries(logs.map((log) => [log, told.log.endsOf(log)] as const).filter(([, places]) => places.length > 0)) : {};
    const retired = revoke ? [] : [{ server_name: entry.server_name, key_id: entry.key_id, key: entry.key }];
    this.#publish({
      ...record, homes: record.homes.filter((one) => one !== entry), retired: [...(record.retired ?? []), ...retired].slice(-5), cuts: { ...record.cuts, ...cuts },
    }, told);
  }

  #add({ home, at }: Step & { what: 'add' }): void {
    const [back, told] = [this.homes[home]!, this.homes[at]!];
    const record = this.#latest;
    if (record.homes.some(({ key }) => key === back.key) || back === told || home === this.#liar || at === this.#liar) return;
    if (!record.homes.some(({ key }) => key === told.key)) return;
    const { publicKey, keyId } = keyOf(`${back.name} ${++this.#keys}`);
    const next = this.#publish({ ...record, homes: [...record.homes, { server_name: back.name, key_id: keyId, key: publicKey, priority: 1 }] }, told);
    // It knows of nothing from before: it takes all and gives none.
    this.homes[home] = new ModelHome(back.name, publicKey, next, userId, back.clock);
  }

  #publish(record: HomeRecord, told: ModelHome): HomeRecord {
    const next = { ...record, seq: this.#latest.seq + 1 };
    this.#records.push(next);
    told.follow(next);
    return next;
  }
}
