/** An event as far as the graph goes. */
export interface ReadNode {
  readonly eventId: string;
  /** Null when it is not in the timeline. */
  readonly pos: number | null;
  readonly prev: readonly string[];
}

/** What of a timeline is read. */
export interface ReadPart {
  /** Up to this position everything is read. */
  readonly floor: number;
  /** Positions above it that are read. */
  readonly above: readonly number[];
  /** The set, less what others of it lead to. */
  readonly members: readonly string[];
}

/** Where a walk from some events leaves what was looked at. */
export interface Walk {
  readonly visited: ReadonlySet<string>;
  /** Ids that were come to and are not among the nodes. */
  readonly edge: readonly string[];
}

/** Everything that the events lead to, with themselves. */
export function walk(nodes: ReadonlyMap<string, ReadNode>, from: Iterable<string>): Walk {
  const visited = new Set<string>();
  const edge = new Set<string>();
  const open = [...from];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (visited.has(id)) continue;
    const node = nodes.get(id);
    if (!node) {
      edge.add(id);
      continue;
    }
    visited.add(id);
    open.push(...node.prev);
  }
  return { visited, edge: [...edge] };
}

/**
 * Says what of the timeline a set of events covers: each of them and what it leads to. Positions are those of one server and decide
 * nothing but where it keeps the answer.
 *
 * @param nodes the newest events of the timeline, and what of the graph lies between them
 * @param here up to this position everything was read at this server; null for nothing
 */
export function readPart(nodes: ReadonlyMap<string, ReadNode>, members: readonly string[], here: number | null): ReadPart {
  const { visited } = walk(nodes, members);
  const timeline = [...nodes.values()].filter((node): node is ReadNode & { pos: number } => node.pos !== null).sort((a, b) => a.pos - b.pos);
  const isRead = (node: ReadNode & { pos: number }) => visited.has(node.eventId) || (here !== null && node.pos <= here);
  const first = timeline.findIndex((node) => !isRead(node));
  // Below what was looked at there may be more that is unread; nobody counts that far.
  const floor = Math.max(first < 0 ? (timeline.at(-1)?.pos ?? -Infinity) : (timeline[first]!.pos - 1), here ?? -Infinity);
  const above = timeline.filter((node) => node.pos > floor && isRead(node)).map(({ pos }) => pos);
  return { floor, above, members: independent(nodes, members) };
}

/** Those that no other one leads to. */
export function independent(nodes: ReadonlyMap<string, ReadNode>, ids: readonly string[]): string[] {
  const led = walk(nodes, ids.flatMap((id) => nodes.get(id)?.prev ?? [])).visited;
  return [...new Set(ids)].filter((id) => !led.has(id));
}

/**
 * The ends of a timeline up to a position: events that none up to there builds on.
 *
 * @param nodes the timeline around the position
 * @param ends ends of the room as it is now
 */
export function endsUpTo(nodes: readonly ReadNode[], ends: readonly string[], pos: number): string[] {
  const isUpTo = (node: ReadNode) => node.pos !== null && node.pos <= pos;
  const below = nodes.filter(isUpTo);
  const builtOn = new Set(below.flatMap((node) => node.prev));
  const candidates = new Set([...ends, ...nodes.filter((node) => !isUpTo(node)).flatMap((node) => node.prev)]);
  return below.filter((node) => candidates.has(node.eventId) && !builtOn.has(node.eventId)).map((node) => node.eventId);
}
