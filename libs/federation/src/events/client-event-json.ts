import { scanMembers } from './scan-members.js';

/** Just what `clientEventJson` needs, so that a row of the database will do. */
export interface StoredEvent { readonly json: string; readonly eventId: string; readonly roomId: string }

/**
 * An event in the client format as JSON text, spliced from the stored text without parsing it: a timeline of a
 * thousand events costs a few milliseconds instead of a parse and a stringify of each.
 *
 * Redactions carry `redacts` both at the top level and in `content`, whichever of the two the room version has, because
 * clients look for either (room version 11, §Moving the redacts property).
 *
 * @param options.unsigned JSON text of the `unsigned` object, used as it is.
 * @param options.omitRoomId for `/sync`, where events stand below their room.
 */
export function clientEventJson(event: StoredEvent, options: { unsigned?: string; omitRoomId?: boolean } = {}): string {
  let content = '{}';
  let timestamp = '0';
  let sender = '""';
  let type = '""';
  let stateKey: string | undefined;
  let redacts: string | undefined;
  scanMembers(event.json, (key, value) => {
    switch (key) {
      case 'content': content = value; break;
      case 'origin_server_ts': timestamp = value; break;
      case 'redacts': redacts = value; break;
      case 'sender': sender = value; break;
      case 'state_key': stateKey = value; break;
      case 'type': type = value; break;
      default: // the rest is the servers' own
    }
  });
  if (type === '"m.room.redaction"') {
    const inContent = redactsOf(content);
    if (inContent !== undefined) redacts ??= inContent;
    else if (redacts !== undefined) {
      content = `{"redacts":${redacts}${content === '{}' ? '' : ','}${content.slice(1)}`;
    }
  }
  return `{"content":${content},"event_id":${JSON.stringify(event.eventId)},"origin_server_ts":${timestamp}`
    + (options.omitRoomId ? '' : `,"room_id":${JSON.stringify(event.roomId)}`)
    + `,"sender":${sender}`
    + (stateKey === undefined ? '' : `,"state_key":${stateKey}`)
    + `,"type":${type}`
    + (redacts === undefined ? '' : `,"redacts":${redacts}`)
    + (options.unsigned === undefined ? '' : `,"unsigned":${options.unsigned}`)
    + '}';
}

/** Stripped state (client-server API, §Stripped state) as JSON text: what invited and knocking people see of a room. */
export function strippedStateJson(event: { readonly json: string }): string {
  const members = new Map<string, string>();
  scanMembers(event.json, (key, value) => members.set(key, value));
  return `{"content":${members.get('content') ?? '{}'},"sender":${members.get('sender') ?? '""'}`
    + `,"state_key":${members.get('state_key') ?? '""'},"type":${members.get('type') ?? '""'}}`;
}

function redactsOf(content: string): string | undefined {
  let redacts: string | undefined;
  scanMembers(content, (key, value) => {
    if (key === 'redacts') redacts = value;
  });
  return redacts;
}
