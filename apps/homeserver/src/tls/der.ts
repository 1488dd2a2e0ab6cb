/** The few kinds of ASN.1 values, in distinguished encoding (X.690), that a certificate is made of. */
function encode(tag: number, content: Uint8Array): Buffer {
  const length = content.length;
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

export function sequence(...items: readonly Buffer[]): Buffer {
  return encode(0x30, Buffer.concat(items));
}

export function set(...items: readonly Buffer[]): Buffer {
  return encode(0x31, Buffer.concat(items));
}

/** @param value big-endian two's complement */
export function integer(value: Uint8Array): Buffer {
  return encode(0x02, value);
}

export function boolean(value: boolean): Buffer {
  return encode(0x01, Buffer.from([value ? 0xff : 0]));
}

export function octetString(value: Uint8Array): Buffer {
  return encode(0x04, value);
}

/** @param unusedBits of the last byte */
export function bitString(value: Uint8Array, unusedBits = 0): Buffer {
  return encode(0x03, Buffer.concat([Buffer.from([unusedBits]), value]));
}

export function utf8(value: string): Buffer {
  return encode(0x0c, Buffer.from(value, 'utf8'));
}

/** @param at milliseconds since the epoch; years before 2050 are UTCTime (RFC 5280 section 4.1.2.5) */
export function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+Z$/, 'Z').replace(/[-:T]/g, '');
  const isShort = digits < '2050';
  return encode(isShort ? 0x17 : 0x18, Buffer.from(isShort ? digits.slice(2) : digits, 'ascii'));
}

/** A context-specific tag, explicit (constructed) or implicit over a primitive value. */
export function context(tag: number, content: Buffer, isConstructed = true): Buffer {
  return encode((isConstructed ? 0xa0 : 0x80) | tag, content);
}

/** @param dotted e.g. `2.5.29.17` */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return encode(0x06, Buffer.from(bytes));
}
