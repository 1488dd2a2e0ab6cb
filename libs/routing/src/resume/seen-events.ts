import type { ResumeState } from './resume-state.js';

/** A home takes 1 MiB of ids of all rooms, and of each the last 20 events (protocol §3, "Moving in"). */
const maxCharacters = 512 * 1024;
const maxEvents = 20;

/** Ids of the events that the app got last, by room, for a home that begins to serve the account: the rooms that were active last. */
export async function seenEvents(states: readonly ResumeState[]): Promise<Record<string, string[]>> {
  await Promise.all(states.map((state) => state.load()));
  const seen: Record<string, string[]> = {};
  let characters = 0;
  for (const [roomId, events] of states.flatMap((state) => state.latest())) {
    if (roomId in seen) continue;
    const last = events.slice(-maxEvents);
    characters += last.reduce((sum, id) => sum + id.length, roomId.length);
    if (characters > maxCharacters) break;
    if (last.length > 0) seen[roomId] = last;
  }
  return seen;
}
