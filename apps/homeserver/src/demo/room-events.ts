import { ask } from './ask.js';

const PAGE = 500;
const MAX_PAGES = 40;

/** Ids of all encrypted messages of a room as one server has it. */
export async function encryptedEvents(url: string, accessToken: string, roomId: string): Promise<ReadonlySet<string>> {
  const found: string[] = [];
  let from = '';
  for (let page = 0; page < MAX_PAGES; page++) {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=${PAGE}${from}`;
    const answer = await ask(url, { method: 'GET', path, accessToken });
    const chunk = answer['chunk'] as { event_id: string; type: string }[];
    found.push(...chunk.filter((event) => event.type === 'm.room.encrypted').map((event) => event.event_id));
    if (typeof answer['end'] !== 'string') return new Set(found);
    from = `&from=${encodeURIComponent(answer['end'])}`;
  }
  throw new Error(`${roomId} has more than ${PAGE * MAX_PAGES} events`);
}
