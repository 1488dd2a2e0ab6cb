/** A state key as `type` and `state_key`. */
export function splitStateKey(key: string): [type: string, stateKey: string] {
  const at = key.indexOf('\u0000');
  return [key.slice(0, at), key.slice(at + 1)];
}
