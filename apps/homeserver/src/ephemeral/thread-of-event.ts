import { parseStoredJson } from '#json';

/**
 * Whether an event may be in a thread, as far as it says itself (Client-Server, "Threaded read receipts"): a threaded reply
 * names its root; the root is in its own thread and in the main timeline. Other relations inherit the thread of what
 * they point at, which is not looked up.
 *
 * @param json canonical JSON of the event
 * @param threadId `main` or the root's event id
 */
export function mayBeInThread(eventId: string, json: string, threadId: string): boolean {
  const relation = (parseStoredJson(json) as { content?: Record<string, unknown> }).content?.['m.relates_to'];
  const { rel_type: type, event_id: target } = (typeof relation === 'object' && relation !== null ? relation : {}) as Record<string, unknown>;
  if (type === 'm.thread') return target === threadId;
  if (typeof type === 'string') return true;
  return threadId === 'main' || threadId === eventId;
}
