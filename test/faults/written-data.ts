import type { Talker } from './talker.js';

/** What was acknowledged beside the room: account data, and messages to devices. */
export class WrittenData {
  readonly #items: { readonly talker: Talker; readonly type: string }[] = [];
  readonly #messages: { readonly to: Talker; readonly text: string }[] = [];
  readonly #before: ReadonlyMap<Talker, number>;

  constructor(private readonly talkers: readonly Talker[]) {
    this.#before = new Map(talkers.map((talker) => [talker, talker.toDevice.length]));
  }

  async set(talker: Talker, text: string): Promise<void> {
    const type = `org.example.${encodeURIComponent(text).replaceAll(/[^A-Za-z0-9]/g, '_')}`;
    await talker.setData(type, { text });
    this.#items.push({ talker, type });
  }

  async tell(from: Talker, to: Talker, text: string): Promise<void> {
    await from.tellDevice(to, text);
    this.#messages.push({ to, text });
  }

  /**
   * Whether every home has all the data, and every device its messages.
   *
   * @param allowsLoss a server came back from a backup: what it alone had acknowledged may be gone, but homes are equal
   * @throws Error that says what is missing
   */
  async isEverywhere({ allowsLoss }: { allowsLoss: boolean }): Promise<boolean> {
    for (const { talker, type } of this.#items) {
      const has = await Promise.all(talker.homes.map((home) => talker.at(home, talker.dataPath(type)).then(() => true, () => false)));
      if (allowsLoss ? has[0] !== has[1] : has.includes(false)) throw new Error(`${type} of ${talker.name}: ${talker.homes.map((home, i) => `${home.label} ${has[i]!}`).join(', ')}`);
    }
    if (allowsLoss) return true;
    for (const { to, text } of this.#messages) if (!to.toDevice.includes(text)) throw new Error(`${to.name} has not got ${text}`);
    return true;
  }

  /** Messages that came to a device more than once. */
  repeated(): string[] {
    return this.talkers.flatMap((talker) => {
      const texts = talker.toDevice.slice(this.#before.get(talker));
      return texts.filter((text, i) => texts.indexOf(text) !== i).map((text) => `${talker.name}: ${text}`);
    });
  }
}
