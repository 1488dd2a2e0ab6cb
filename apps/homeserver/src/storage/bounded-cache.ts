import { LRUCache } from 'lru-cache';

/**
 * A cache that forgets the least recently used beyond `max` entries. It takes memory as it fills: with the library's own
 * `max` every cache would take the room of all its entries at the start, 24 MB over the whole server.
 */
export function boundedCache<K extends {}, V extends {}>(max: number): LRUCache<K, V> {
  return new LRUCache<K, V>({ maxSize: max, sizeCalculation: () => 1 });
}
