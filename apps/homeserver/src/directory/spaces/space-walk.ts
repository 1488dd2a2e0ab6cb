import type { SpaceChild } from './space-children.js';
import { isSuggested, viaOf } from './space-children.js';

/** Rooms that one walk comes to; what lies beyond is not shown. */
export const MAX_ROOMS = 2_000;

/** A room that is still to be visited. */
export interface Visit {
  readonly roomId: string;
  /** Servers that may know it. */
  readonly via: readonly string[];
  /** 0 for the space itself. */
  readonly depth: number;
  /** The space that named it. */
  readonly parent: string | null;
}

/** How far somebody has come in a space: depth first, each room once, so that cycles end. */
export class SpaceWalk {
  private constructor(
    readonly suggestedOnly: boolean,
    readonly maxDepth: number,
    private readonly waiting: Visit[],
    private readonly seen: Set<string>,
  ) {}

  static from(roomId: string, wish: { suggestedOnly: boolean; maxDepth: number }): SpaceWalk {
    return new SpaceWalk(wish.suggestedOnly, wish.maxDepth, [{ roomId, via: [], depth: 0, parent: null }], new Set([roomId]));
  }

  /** A page may be asked for twice, so each goes on from a copy. */
  copy(): SpaceWalk {
    return new SpaceWalk(this.suggestedOnly, this.maxDepth, [...this.waiting], new Set(this.seen));
  }

  get isDone(): boolean {
    return this.waiting.length === 0;
  }

  next(): Visit | undefined {
    return this.waiting.pop();
  }


  /** Visits the children of a room next. @returns those that are shown with it */
  enter(visit: Visit, children: readonly SpaceChild[]): readonly SpaceChild[] {
    const shown = this.suggestedOnly ? children.filter(isSuggested) : children;
    if (visit.depth >= this.maxDepth) return shown;
    const found: Visit[] = [];
    for (const child of shown) {
      if (this.seen.has(child.state_key) || this.seen.size >= MAX_ROOMS) continue;
      this.seen.add(child.state_key);
      found.push({ roomId: child.state_key, via: viaOf(child), depth: visit.depth + 1, parent: visit.roomId });
    }
    this.waiting.push(...found.reverse());
    return shown;
  }
}
