const MARK = '"room_id":"';

/**
 * The room of a PDU, from its canonical JSON without parsing it: no member with this name stands behind the event's own, and
 * within a string the quotes would be escaped.
 */
export function roomIdOf(json: string): string | undefined {
  const start = json.lastIndexOf(MARK);
  if (start < 0) return undefined;
  const from = start + MARK.length;
  return json.slice(from, json.indexOf('"', from));
}
