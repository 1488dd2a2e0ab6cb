import { parseJson } from '#json';

/** What of an answer to `/sync` matters here. */
interface SyncAnswer {
  readonly next_batch?: string;
  readonly rooms?: { readonly join?: Readonly<Record<string, { readonly timeline?: { readonly limited?: boolean; readonly events?: readonly RawEvent[] } }>> };
  readonly to_device?: { readonly events?: readonly RawEvent[] };
}

interface RawEvent {
  readonly event_id?: string;
  readonly sender?: string;
  readonly unsigned?: { readonly 'io.partyline.txn'?: string };
  readonly 'io.partyline.id'?: string;
}

/**
 * Counts repeats in the answers to `/sync` as they reach a client library, which hides what it knows already. An answer counts once the
 * client comes with its token: one that was lost on the way is rightly given again.
 */
export class RawAnswers {
  /** By the token that an answer gave. */
  readonly #pending = new Map<string, SyncAnswer>();
  /** Names of events by room; of messages to the device by the empty text. */
  readonly #known = new Map<string, Set<string>>();
  readonly #repeated: string[] = [];

  /** A `fetch` that does the same and is listened to. */
  listen(fetchFn: typeof globalThis.fetch): typeof globalThis.fetch {
    return async (input, init) => {
      const url = new URL(input instanceof Request ? input.url : String(input));
      const isSync = url.pathname.endsWith('/v3/sync');
      if (isSync) this.asked(url.searchParams.get('since'));
      const response = await fetchFn(input, init);
      if (isSync && response.ok) this.answered(parseJson(await response.clone().text()) as SyncAnswer);
      return response;
    };
  }

  asked(since: string | null): void {
    const answer = since === null ? undefined : this.#pending.get(since);
    if (answer) this.#take(answer);
    if (answer) this.#pending.clear();
  }

  answered(answer: SyncAnswer): void {
    if (answer.next_batch !== undefined) this.#pending.set(answer.next_batch, answer);
  }

  /** What came again: event ids, and ids of messages to the device. */
  get repeated(): readonly string[] {
    return this.#repeated;
  }

  #take({ rooms, to_device: toDevice }: SyncAnswer): void {
    for (const [roomId, { timeline }] of Object.entries(rooms?.join ?? {})) {
      // A limited timeline takes the place of the one before.
      if (timeline?.limited) this.#known.delete(roomId);
      for (const event of timeline?.events ?? []) this.#note(roomId, namesOf(event));
    }
    for (const event of toDevice?.events ?? []) this.#note('', event['io.partyline.id'] === undefined ? [] : [event['io.partyline.id']]);
  }

  #note(place: string, names: readonly string[]): void {
    const known = this.#known.get(place) ?? new Set();
    this.#known.set(place, known);
    if (names.some((name) => known.has(name))) this.#repeated.push(names[0]!);
    for (const name of names) known.add(name);
  }
}

/** An event and its twin, which was sent at another home, are one message. */
function namesOf({ event_id: eventId, sender, unsigned }: RawEvent): string[] {
  const txn = unsigned?.['io.partyline.txn'];
  return [...(eventId === undefined ? [] : [eventId]), ...(txn === undefined ? [] : [`${sender} ${txn}`])];
}
