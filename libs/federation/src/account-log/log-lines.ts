import type { LogPlace } from '../home-record/index.js';

/** A stretch of a log: a fork begins a second one beside the first. Ids are this server's own. */
export interface LogLine {
  readonly id: number;
  /** The line that it leaves; null for what begins the log. */
  readonly parent: number | null;
  /** Number of the last operation of the parent that is an ancestor; 0 at the beginning. */
  readonly from: number;
  /** Hash of its first own operation. */
  readonly first: string;
  /** Hash of the operation with which the parent goes on instead; null for the first line of a log. */
  readonly beside: string | null;
  /** Its end. */
  readonly n: number;
  readonly hash: string;
}

/** Where an operation stands. */
export interface LinePlace {
  readonly line: number;
  readonly n: number;
}

/** How far each line counts; lines that are missing do not at all. Ancestors of what counts count. */
export type Coverage = ReadonlyMap<number, number>;

/** Of more branches at one place those with the lowest first hashes count (protocol §4). */
const MAX_BRANCHES = 4;
/** Forks on the way from the beginning to an operation: so often may a home come back from ever older backups without noticing at once. */
const MAX_FORKS = 2;
/**
 * Lines of one log that are taken: a writer who forks at ever earlier places could else make one with every operation. At most 25
 * count; others did before those with lower hashes came, and may be dropped.
 */
const MAX_LINES = 64;

/** The shape of one log: which operation is an ancestor of which. */
export class LogLines {
  readonly #lines = new Map<number, LogLine>();
  #held: Coverage | undefined;
  #isCrowded: boolean | undefined;

  constructor(lines: Iterable<LogLine> = []) {
    for (const line of lines) this.#lines.set(line.id, line);
  }

  get all(): readonly LogLine[] {
    return [...this.#lines.values()];
  }

  get isForked(): boolean {
    return this.#lines.size > 1;
  }

  line(id: number): LogLine | undefined {
    return this.#lines.get(id);
  }

  ending(n: number, hash: string): LogLine | undefined {
    for (const line of this.#lines.values()) if (line.n === n && line.hash === hash) return line;
    return undefined;
  }

  /** Whether so many branches are held that others are not taken: what is not here of such a log can be one of those. */
  get isCrowded(): boolean {
    return (this.#isCrowded ??= this.isForked && this.#crowds());
  }

  #crowds(): boolean {
    const covered = this.held();
    return this.all.length >= MAX_LINES || this.all.some((line) => !isCovered(covered, { line: line.id, n: line.n })) || this.#places().some((firsts) => firsts.length >= MAX_BRANCHES);
  }

  /**
   * Whether what comes after a place can ever count: it is not kept otherwise.
   *
   * @param at undefined for another beginning of the log
   * @param first hash of a new branch; undefined for what continues a line
   */
  admits(at: LinePlace | undefined, first?: string): boolean {
    if (at && !isCovered(this.held(), at)) return false;
    if (first === undefined) return true;
    const line = at && this.#lines.get(at.line);
    const present = line ? (this.#forksOn(line).includes(at.n) ? this.#branches(line, at.n).map((branch) => branch.first) : []) : this.#roots().map((root) => root.first);
    return this.all.length < MAX_LINES && present.filter((other) => other < first).length < MAX_BRANCHES;
  }

  set(line: LogLine): void {
    this.#lines.set(line.id, line);
    this.#held = undefined;
    this.#isCrowded = undefined;
  }

  /** An id that no line has. */
  get nextId(): number {
    return Math.max(-1, ...this.#lines.keys()) + 1;
  }

  /** Lines that do not count whatever the record says: there are others with lower hashes, or too many forks before them. */
  get uncounted(): readonly LogLine[] {
    const held = this.held();
    return this.all.filter((line) => !held.has(line.id));
  }

  /** Whether `a` is `b` or comes before it. */
  leadsTo(a: LinePlace, b: LinePlace): boolean {
    for (let at: LinePlace = b; ;) {
      if (at.line === a.line) return a.n <= at.n;
      const line = this.#lines.get(at.line);
      if (!line || line.parent === null) return false;
      at = { line: line.parent, n: line.from };
    }
  }

  /** The operations of these places and their ancestors. */
  upTo(places: Iterable<LinePlace>): Coverage {
    const coverage = new Map<number, number>();
    for (const place of places) {
      for (let at: LinePlace | undefined = place; at;) {
        if (at.n > (coverage.get(at.line) ?? 0)) coverage.set(at.line, at.n);
        const line: LogLine | undefined = this.#lines.get(at.line);
        at = line && line.parent !== null ? { line: line.parent, n: line.from } : undefined;
      }
    }
    return coverage;
  }

  /** All that is held but for branches beyond the bounds; it depends on the operations, not on the order in which they came. */
  held(): Coverage {
    return (this.#held ??= this.#walk());
  }

  #walk(): Coverage {
    const coverage = new Map<number, number>();
    const walk = (line: LogLine, forks: number): void => {
      let depth = forks;
      let end = line.n;
      for (const at of this.#forksOn(line)) {
        depth++;
        const branches = this.#branches(line, at);
        const keep = depth > MAX_FORKS ? [] : branches.map((branch) => branch.first).sort().slice(0, MAX_BRANCHES);
        for (const branch of branches) if (branch.line && keep.includes(branch.first)) walk(branch.line, depth);
        if (!keep.includes(branches[0]!.first)) {
          end = at;
          break;
        }
      }
      if (end > line.from) coverage.set(line.id, end);
    };
    const roots = this.#roots();
    const keep = roots.map((line) => line.first).sort().slice(0, MAX_BRANCHES);
    for (const line of roots) if (keep.includes(line.first)) walk(line, roots.length > 1 ? 1 : 0);
    return coverage;
  }

  /** Ends of what is covered, for `after`, cuts and vectors. */
  ends(coverage: Coverage, hashAt: (place: LinePlace) => string | undefined): LogPlace[] {
    const places: LogPlace[] = [];
    for (const [id, n] of coverage) {
      const line = this.#lines.get(id)!;
      const isPassed = this.all.some((child) => child.parent === id && child.from >= n && coverage.has(child.id));
      const hash = n === line.n ? line.hash : hashAt({ line: id, n });
      if (!isPassed && hash !== undefined) places.push([n, hash]);
    }
    return places.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1));
  }

  #roots(): LogLine[] {
    return this.all.filter((line) => line.parent === null);
  }

  /** First hashes of the branches at each place where the log forks. */
  #places(): string[][] {
    const forks = this.all.flatMap((line) => this.#forksOn(line).map((at) => this.#branches(line, at).map(({ first }) => first)));
    return [this.#roots().map(({ first }) => first), ...forks];
  }

  #forksOn(line: LogLine): number[] {
    const at = this.all.filter((child) => child.parent === line.id).map((child) => child.from);
    return [...new Set(at)].sort((a, b) => a - b);
  }

  /** How the log goes on after a place: on its own line first. */
  #branches(line: LogLine, at: number): { first: string; line: LogLine | null }[] {
    const children = this.all.filter((child) => child.parent === line.id && child.from === at);
    return [{ first: children[0]!.beside!, line: null }, ...children.map((child) => ({ first: child.first, line: child }))];
  }
}

export function isCovered(coverage: Coverage, { line, n }: LinePlace): boolean {
  return n <= (coverage.get(line) ?? 0);
}
