/** Bytes of bodies that are being read, or whose requests are not answered yet: in all, and of one address. */
const MAX_BYTES = 512 * 1024 * 1024;
const MAX_BYTES_PER_ADDRESS = 64 * 1024 * 1024;

/** Keeps the bodies of requests, which anybody can send before he has shown who he is, from filling the memory. */
export class BodyBudget {
  #total = 0;
  readonly #byAddress = new Map<string, number>();

  constructor(
    private readonly maxBytes = MAX_BYTES,
    private readonly maxBytesPerAddress = MAX_BYTES_PER_ADDRESS,
  ) {}

  /** @returns false, and takes nothing, when there is no room for so many bytes */
  take(address: string, bytes: number): boolean {
    const held = this.#byAddress.get(address) ?? 0;
    if (this.#total + bytes > this.maxBytes || held + bytes > this.maxBytesPerAddress) return false;
    this.#total += bytes;
    this.#byAddress.set(address, held + bytes);
    return true;
  }

  give(address: string, bytes: number): void {
    this.#total -= bytes;
    const left = this.#byAddress.get(address)! - bytes;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }
}
