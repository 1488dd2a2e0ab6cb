/** One thing that happens. Homes are numbers below `HOMES`; what does not make sense at that moment does nothing. */
export type Step =
  | { readonly what: 'write'; readonly home: number; readonly item: number; readonly value: string | null }
  /** Two homes talk for a while; `share` of a lying one's operations is what it shows, in sixteenths. */
  | { readonly what: 'talk'; readonly home: number; readonly with: number; readonly share: number }
  /** The lying home writes another operation after one of its own, and shows it to one home. */
  | { readonly what: 'lie'; readonly home: number; readonly to: number; readonly after: number; readonly item: number; readonly ms: number }
  /** A home comes back with what it had a while ago, in sixteenths of now, and notices at once or not. */
  | { readonly what: 'restore'; readonly home: number; readonly to: number; readonly notices: boolean }
  /** The person drops a home, and tells another. */
  | { readonly what: 'drop'; readonly home: number; readonly at: number; readonly revoke: boolean; readonly cut: boolean }
  /** A home that was dropped is added again, with another key. */
  | { readonly what: 'add'; readonly home: number; readonly at: number };

export interface Story {
  /** Milliseconds by which each home's clock is off. */
  readonly clocks: readonly number[];
  /** The home that lies; null for none. */
  readonly liar: number | null;
  readonly steps: readonly Step[];
}

export const HOMES = 4;
const YEAR_MS = 365 * 24 * 3_600_000;

/** A random story; the same for the same numbers. @param random below 1, as Math.random */
export function randomStory(random: () => number): Story {
  const below = (n: number): number => Math.floor(random() * n);
  const home = (): number => below(HOMES);
  const clocks = Array.from({ length: HOMES }, () => (random() < 0.5 ? 0 : Math.round((random() * 2 - 1) * YEAR_MS)));
  const step = (): Step => {
    const kind = random();
    if (kind < 0.4) return { what: 'write', home: home(), item: below(3), value: random() < 0.2 ? null : String(below(1_000)) };
    if (kind < 0.7) return { what: 'talk', home: home(), with: home(), share: below(17) };
    if (kind < 0.82) return { what: 'lie', home: home(), to: home(), after: below(20), item: below(3), ms: Math.round((random() * 2 - 1) * YEAR_MS) };
    if (kind < 0.88) return { what: 'restore', home: home(), to: below(17), notices: random() < 0.5 };
    if (kind < 0.95) return { what: 'drop', home: home(), at: home(), revoke: random() < 0.4, cut: random() < 0.7 };
    return { what: 'add', home: home(), at: home() };
  };
  return { clocks, liar: random() < 0.5 ? home() : null, steps: Array.from({ length: 5 + below(30) }, step) };
}

/** The story in words, a line for each step. */
export function tell({ clocks, liar, steps }: Story): string {
  const days = (ms: number): string => `${Math.round(ms / 86_400_000)} days`;
  const lines = steps.map((step) => {
    switch (step.what) {
      case 'write': return `${step.home} writes item ${step.item} = ${step.value}`;
      case 'talk': return `${step.home} and ${step.with} talk (${step.share}/16 of what a liar has)`;
      case 'lie': return `${step.home} forges item ${step.item} after its operation ${step.after}, ${days(step.ms)} off, for ${step.to}`;
      case 'restore': return `${step.home} comes back with ${step.to}/16 of what it had${step.notices ? ', and notices' : ''}`;
      case 'drop': return `${step.at} hears that ${step.home} is ${step.revoke ? 'revoked' : 'retired'}${step.cut ? ', with a cut' : ''}`;
      case 'add': return `${step.at} hears that ${step.home} is a home again`;
    }
  });
  return [`clocks ${clocks.map(days).join(', ')}; ${liar === null ? 'nobody lies' : `${liar} lies`}`, ...lines].join('\n');
}
