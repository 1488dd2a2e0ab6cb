import { Injectable } from '@nestjs/common';

/**
 * The paths that have a handler for some method, so that a wrong method is told from an unknown path (405 instead of 404,
 * "API standards" of the Client-Server specification). Looked at only when no route matched.
 */
@Injectable()
export class RouteTable {
  readonly #patterns = new Map<string, RegExp>();

  /** @param url route in Fastify's syntax: `:name` for a segment, `:name(a|b)` for one of these, `*` for the rest */
  add(url: string): void {
    if (url === '*' || url === '/*' || this.#patterns.has(url)) return;
    const source = url.split('/').map(sourceOf).join('/');
    this.#patterns.set(url, new RegExp(`^${source}/?$`));
  }

  has(path: string): boolean {
    for (const pattern of this.#patterns.values()) if (pattern.test(path)) return true;
    return false;
  }
}

function sourceOf(part: string): string {
  if (part === '*') return '.*';
  const [isSegment, choice] = /^:\w+(\(.+\))?$/.exec(part) ?? [];
  if (isSegment) return choice ?? '[^/]+';
  return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
