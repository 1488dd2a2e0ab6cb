/** An event as far as the graph goes. */
export interface GraphNode {
  readonly eventId: string;
  readonly prev: readonly string[];
  readonly sender: string;
  /** Once-only key (protocol §6), null without one. */
  readonly txn: string | null;
}

/** How a part of a graph, closed downwards by its `edge`, divides. */
export interface Division {
  /** Events of the part that the frontier does not lead to. */
  readonly unseen: ReadonlySet<string>;
  /** Events outside of the part that the ends lead to and the frontier, as far as the part shows, does not. */
  readonly openEdge: readonly string[];
}

/**
 * Divides events into those that a client has seen, which are the frontier and all that its events lead to, and the rest. An
 * event counts as seen, too, if it says what a seen one says: of two events with one `(sender, txn)` some homes take the one
 * and some the other (protocol §3 rule 6), and a client must not get both.
 *
 * Pure. Positions play no part, since an event can arrive after those that build on it.
 *
 * @param nodes the part of the graph, by event id
 * @param ends the forward extremities
 * @param frontier what the client has seen; events outside of the part are allowed
 */
export function divide(nodes: ReadonlyMap<string, GraphNode>, ends: Iterable<string>, frontier: Iterable<string>): Division {
  const seen = reach(nodes, frontier);
  const said = new Set<string>();
  for (const id of seen) {
    const node = nodes.get(id);
    if (node && node.txn !== null) said.add(twinKey(node));
  }
  const wanted = reach(nodes, ends, seen);
  const unseen = new Set<string>();
  const openEdge: string[] = [];
  for (const id of wanted) {
    const node = nodes.get(id);
    if (!node) openEdge.push(id);
    else if (node.txn === null || !said.has(twinKey(node))) unseen.add(id);
  }
  return { unseen, openEdge };
}

/** The ids that these lead to, themselves included, down to the first that is in `stop` or not in the graph. */
function reach(nodes: ReadonlyMap<string, GraphNode>, from: Iterable<string>, stop: ReadonlySet<string> = new Set()): Set<string> {
  const found = new Set<string>();
  const stack = [...from];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (found.has(id) || stop.has(id)) continue;
    found.add(id);
    for (const prev of nodes.get(id)?.prev ?? []) stack.push(prev);
  }
  return found;
}

function twinKey({ sender, txn }: GraphNode): string {
  return `${sender} ${txn}`;
}
