/** Where a server can be made to die on its way from storing to answering; see `fault-server.mjs`. */
export const crashSteps = ['stored', 'committed', 'told', 'answering', 'answered'] as const;
export type CrashStep = (typeof crashSteps)[number];

/** One disturbance. Times in milliseconds from the beginning of the run. */
export type Fault = { readonly at: number; readonly for: number } & (
  | { readonly kind: 'kill' | 'freeze'; readonly server: string }
  /** Dies at a step of its next write but so many, and is started again. */
  | { readonly kind: 'step'; readonly server: string; readonly step: CrashStep; readonly after: number }
  /** Its wall clock jumps by so much, and back at the end. */
  | { readonly kind: 'clock'; readonly server: string; readonly byMs: number }
  /** Its database is copied at the beginning, and later the copy takes its place. */
  | { readonly kind: 'restore'; readonly server: string }
  /** It takes a new record of somebody who lives there, which adds or drops a third home, and dies the moment after its 200. */
  | { readonly kind: 'record'; readonly server: string; readonly drops: boolean }
  | { readonly kind: 'refuse' | 'stall'; readonly from: string; readonly to: string; readonly bothWays: boolean }
);

export type ServerFault = Extract<Fault, { server: string }>;

const serverFaults: readonly ServerFault['kind'][] = ['kill', 'kill', 'freeze', 'step', 'step', 'clock', 'restore', 'record'];
const isOnce = (kind: string): boolean => kind === 'restore' || kind === 'record';

const LONGEST_MS = 1_200;
const LAST_AT_MS = 1_000;
const LONGEST_JUMP_MS = 3 * 24 * 3_600_000;

/**
 * One to three disturbances of different servers or links, at any time and overlapping as chance has it. At most one server is
 * restored and one loses a record: more could take with them what two servers have acknowledged.
 *
 * @param draw the next number in [0, 1)
 * @param labels of the servers, at least two
 * @param kinds of faults of a server; a kind that stands twice comes twice as often
 */
export function faultPlan(draw: () => number, labels: readonly string[], kinds: readonly ServerFault['kind'][] = serverFaults): Fault[] {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(draw() * items.length)]!;
  const pairs = labels.flatMap((from) => labels.filter((to) => to !== from).map((to) => ({ from, to })));
  const servers = [...labels];
  const once = new Set(['restore', 'record']);
  const faults: Fault[] = [];
  for (let left = 1 + Math.floor(draw() * 3); left > 0; left--) {
    const times = { at: Math.round(draw() * LAST_AT_MS), for: Math.round(200 + draw() * LONGEST_MS) };
    if (draw() < 0.7 && servers.length > 0) {
      const server = pick(servers);
      servers.splice(servers.indexOf(server), 1);
      const fault = serverFault(pick, draw, times, server, kinds.filter((kind) => !isOnce(kind) || once.has(kind)));
      once.delete(fault.kind);
      faults.push(fault);
    } else if (pairs.length > 0) {
      const pair = pick(pairs);
      const bothWays = draw() < 0.6;
      for (const other of pairs.filter((one) => one.from === pair.from || one.from === pair.to)) pairs.splice(pairs.indexOf(other), 1);
      faults.push({ ...times, kind: draw() < 0.5 ? 'refuse' : 'stall', ...pair, bothWays });
    }
  }
  return faults.sort((a, b) => a.at - b.at);
}

function serverFault(
  pick: <T>(items: readonly T[]) => T, draw: () => number, times: { at: number; for: number }, server: string, kinds: readonly ServerFault['kind'][],
): ServerFault {
  const kind = pick(kinds);
  if (kind === 'step') return { ...times, kind, server, step: pick(crashSteps), after: Math.floor(draw() * 6) };
  if (kind === 'clock') return { ...times, kind, server, byMs: Math.round((draw() < 0.5 ? -1 : 1) * draw() * LONGEST_JUMP_MS) };
  if (kind === 'record') return { ...times, kind, server, drops: times.at % 2 === 1 };
  return { ...times, kind, server };
}

/** For the title of a test, e.g. `kill a at 300 for 900`. */
export function describeFault(fault: Fault): string {
  return `${fault.kind}${detail(fault)} at ${fault.at} for ${fault.for}`;
}

function detail(fault: Fault): string {
  if (!('server' in fault)) return ` ${fault.from}${fault.bothWays ? '<>' : '>'}${fault.to}`;
  if (fault.kind === 'step') return ` ${fault.server} ${fault.step} ${fault.after}`;
  if (fault.kind === 'record') return ` ${fault.server} ${fault.drops ? 'drops' : 'adds'}`;
  if (fault.kind === 'clock') return ` ${fault.server} ${(fault.byMs / 3_600_000).toFixed(1)} h`;
  return ` ${fault.server}`;
}
