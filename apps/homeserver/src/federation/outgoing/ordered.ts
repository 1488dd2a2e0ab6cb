/** A sorted list of distinct items, for some thousands of them: what is taken out of the middle is found by its place. */
export class Ordered<T> {
  readonly #items: T[] = [];

  constructor(private readonly compare: (one: T, other: T) => number) {}

  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    this.#items.splice(this.#placeOf(item), 0, item);
  }

  /** @param item one that is there, unchanged in its order */
  delete(item: T): void {
    const at = this.#placeOf(item);
    if (this.#items[at] === item) this.#items.splice(at, 1);
  }

  /** Index of the first item that is not before this one. */
  #placeOf(item: T): number {
    let [from, to] = [0, this.#items.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.compare(this.#items[middle]!, item) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
