import { roomPath } from './room-pages.js';
import type { Json, TestClient } from './test-client.js';

/** One room, and events in it that relate to others. */
export class RelatingRoom {
  private constructor(readonly roomId: string) {}

  static async create(client: TestClient, body: object = {}): Promise<RelatingRoom> {
    return new RelatingRoom((await client.request('POST', '/v3/createRoom', { preset: 'public_chat', ...body })).room_id);
  }

  /** One with somebody else in it, and the event to which others are to relate. */
  static async begin(client: TestClient, other: TestClient): Promise<{ room: RelatingRoom; root: string }> {
    const room = await RelatingRoom.create(client);
    await room.join(other);
    return { room, root: await room.say(client, 'first') };
  }

  get path(): string {
    return roomPath(this.roomId);
  }

  join(client: TestClient): Promise<Json> {
    return client.request('POST', `${this.path}/join`, {});
  }

  async send(client: TestClient, type: string, content: Json): Promise<string> {
    return (await client.request('PUT', `${this.path}/send/${type}/${client.nextTxn()}`, content)).event_id;
  }

  say(client: TestClient, body: string, relation?: Json, more: object = {}): Promise<string> {
    return this.send(client, 'm.room.message', { msgtype: 'm.text', body, ...(relation ? { 'm.relates_to': relation } : {}), ...more });
  }

  reply(client: TestClient, root: string, body: string): Promise<string> {
    return this.say(client, body, { rel_type: 'm.thread', event_id: root });
  }

  edit(client: TestClient, eventId: string, body: string): Promise<string> {
    return this.say(client, `* ${body}`, { rel_type: 'm.replace', event_id: eventId }, { 'm.new_content': { msgtype: 'm.text', body } });
  }

  react(client: TestClient, eventId: string, key: string): Promise<string> {
    return this.send(client, 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key } });
  }

  redact(client: TestClient, eventId: string): Promise<Json> {
    return client.request('PUT', `${this.path}/redact/${encodeURIComponent(eventId)}/${client.nextTxn()}`, {});
  }

  event(client: TestClient, eventId: string): Promise<Json> {
    return client.request('GET', `${this.path}/event/${encodeURIComponent(eventId)}`);
  }

  relations(client: TestClient, eventId: string, kind = '', query: Json = {}): Promise<Json> {
    return client.request('GET', `/v1/rooms/${encodeURIComponent(this.roomId)}/relations/${encodeURIComponent(eventId)}${kind}`, undefined, { query });
  }

  threads(client: TestClient, query: Json = {}): Promise<Json> {
    return client.request('GET', `/v1/rooms/${encodeURIComponent(this.roomId)}/threads`, undefined, { query });
  }
}
