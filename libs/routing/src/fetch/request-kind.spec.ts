import { requestKind } from './request-kind.js';
import type { RequestKind } from './request-kind.js';

const kindOf = (method: string, endpoint: string, body: unknown = '{}'): RequestKind => {
  const url = new URL(`http://h/_matrix/${endpoint}`);
  return requestKind(method, url.pathname, url.searchParams, body);
};

describe('request kind', () => {
  it.each([
    ['PUT', 'client/v3/rooms/!r:a/send/m.room.message/1', 'anywhere', 4_000],
    ['PUT', 'client/v3/rooms/!r:a/send/m.room.message/1?io.partyline.replicas=2', 'anywhere', 9_000],
    ['PUT', 'client/r0/rooms/!r:a/typing/@a:a', 'anywhere', 4_000],
    ['PUT', 'client/v3/directory/room/%23a:a', 'unsent', 120_000],
    ['DELETE', 'client/v3/room_keys/keys', 'anywhere', 4_000],
    ['POST', 'client/v3/createRoom', 'unsent', 120_000],
    ['POST', 'client/v3/rooms/!r:a/invite', 'unsent', 120_000],
    ['POST', 'client/v3/rooms/!r:a/read_markers', 'anywhere', 4_000],
    ['POST', 'client/v3/rooms/!r:a/receipt/m.read/$e', 'anywhere', 4_000],
    ['POST', 'client/v3/join/%23a:a', 'anywhere', 30_000],
    ['POST', 'client/v3/keys/upload', 'anywhere', 4_000],
    ['POST', 'client/v3/keys/query', 'anywhere', 30_000],
    ['POST', 'client/v3/keys/device_signing/upload', 'unsent', 120_000],
    ['POST', 'media/v3/upload?filename=x', 'anywhere', 600_000],
  ])('%s %s is repeated %s, within %i ms', (method, endpoint, repeat, timeoutMs) => {
    expect(kindOf(method, endpoint)).toMatchObject({ name: 'write', repeat, timeoutMs });
  });

  it('waits for a sync 45 seconds, or longer if it was told to', () => {
    expect(kindOf('GET', 'client/v3/sync?timeout=30000')).toMatchObject({ name: 'sync', timeoutMs: 45_000 });
    expect(kindOf('GET', 'client/v3/sync?timeout=120000')).toMatchObject({ name: 'sync', timeoutMs: 135_000 });
    expect(kindOf('GET', 'client/v3/rooms/!r:a/sync')).toMatchObject({ name: 'read' });
  });

  it('cannot repeat a body that can be read only once', () => {
    expect(kindOf('PUT', 'client/v3/rooms/!r/send/t/1', new ReadableStream())).toMatchObject({ repeat: 'unsent' });
  });

  it('knows the room and the transaction id', () => {
    expect(kindOf('PUT', 'client/v3/rooms/%21r%3Aa/send/m.room.message/m1')).toMatchObject({ roomId: '!r:a', transactionId: 'm1' });
    expect(kindOf('PUT', 'client/v3/rooms/!r:a/redact/%24e/m2')).toMatchObject({ transactionId: 'm2' });
    expect(kindOf('PUT', 'client/v3/sendToDevice/m.room.encrypted/m3')).toMatchObject({ transactionId: 'm3', roomId: undefined });
    expect(kindOf('PUT', 'client/v3/rooms/!r:a/state/m.room.topic/')).toMatchObject({ transactionId: null });
    expect(kindOf('PUT', 'client/v3/rooms/!r:a/state/m.room.topic')).toMatchObject({ transactionId: null });
    expect(kindOf('PUT', 'client/v3/profile/@a:a/displayname').transactionId).toBeUndefined();
    expect(kindOf('PUT', 'client/v3/rooms/%E0%A4%A/send/t/1')).toMatchObject({ roomId: '%E0%A4%A' });
  });

  it('does not blame a home for the errors of others', () => {
    expect(kindOf('GET', 'client/v3/profile/@b:b').countErrors).toBe(false);
    expect(kindOf('GET', 'client/v1/media/download/b/x')).toMatchObject({ countErrors: false, stream: true });
    expect(kindOf('GET', 'media/v3/download/b/x')).toMatchObject({ countErrors: false, stream: true });
    expect(kindOf('GET', 'client/v3/rooms/!r:a/state').countErrors).toBe(true);
  });
});
