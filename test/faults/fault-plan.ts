/** One disturbance. Times in milliseconds from the beginning of the run. */
export type Fault = { readonly at: number; readonly for: number } & (
  | { readonly kind: 'kill' | 'freeze'; readonly server: string }
  | { readonly kind: 'refuse' | 'stall'; readonly from: string; readonly to: string; readonly bothWays: boolean }
);

const LONGEST_MS = 1_200;
const LAST_AT_MS = 1_000;

/**
 * One to three disturbances of different servers or links, at any time and overlapping as chance has it.
 *
 * @param draw the next number in [0, 1)
 * @param labels of the servers, at least two
 */
export function faultPlan(draw: () => number, labels: readonly string[]): Fault[] {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(draw() * items.length)]!;
  const pairs = labels.flatMap((from) => labels.filter((to) => to !== from).map((to) => ({ from, to })));
  const servers = [...labels];
  const faults: Fault[] = [];
  for (let left = 1 + Math.floor(draw() * 3); left > 0; left--) {
    const times = { at: Math.round(draw() * LAST_AT_MS), for: Math.round(200 + draw() * LONGEST_MS) };
    if (draw() < 0.6 && servers.length > 0) {
      const server = pick(servers);
      servers.splice(servers.indexOf(server), 1);
      faults.push({ ...times, kind: draw() < 0.6 ? 'kill' : 'freeze', server });
    } else if (pairs.length > 0) {
      const pair = pick(pairs);
      const bothWays = draw() < 0.7;
      for (const other of pairs.filter((one) => one.from === pair.from || one.from === pair.to)) pairs.splice(pairs.indexOf(other), 1);
      faults.push({ ...times, kind: draw() < 0.5 ? 'refuse' : 'stall', ...pair, bothWays });
    }
  }
  return faults.sort((a, b) => a.at - b.at);
}

/** For the title of a test, e.g. `kill a at 300 for 900`. */
export function describeFault(fault: Fault): string {
  const what = 'server' in fault ? fault.server : `${fault.from}${fault.bothWays ? '<>' : '>'}${fault.to}`;
  return `${fault.kind} ${what} at ${fault.at} for ${fault.for}`;
}
