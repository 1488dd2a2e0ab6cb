import { SetupRequests } from './setup-requests.js';

const account = { token: 't', name: 'alice', password: 'p' };
const answering = (status: number, body: string) => new SetupRequests('', async () => new Response(body, { status }));
const refusal = (requests: SetupRequests) => requests.register(account, null).then(
  () => 'none',
  ({ problem, retryAfterMs, reason }) => ({ problem, retryAfterMs, reason }),
);

describe('requests of the set-up page', () => {
  it.each([
    [400, '{"errcode":"M_EXCLUSIVE","error":"Kept"}', 'nameReserved', 0],
    [429, '{"errcode":"M_LIMIT_EXCEEDED","error":"Wait","retry_after_ms":2500}', 'tooMany', 2500],
    [500, '{"errcode":"M_UNKNOWN","error":"Broken"}', 'failed', 0],
    [502, '<html>Bad gateway</html>', 'unreachable', 0],
    [404, '<html>Not found</html>', 'failed', 0],
  ])('tell a person what an answer %i %s means', async (status, body, problem, retryAfterMs) => {
    expect(await refusal(answering(status, body))).toMatchObject({ problem, retryAfterMs });
  });

  it('tell when the server does not answer', async () => {
    const requests = new SetupRequests('', () => Promise.reject(new TypeError('Failed to fetch')));
    expect(await refusal(requests)).toMatchObject({ problem: 'unreachable' });
  });

  it('let a link pass that may be good', async () => {
    expect(await answering(429, '{"errcode":"M_LIMIT_EXCEEDED"}').isTokenValid('t')).toBe(true);
    expect(await answering(403, '{"errcode":"M_FORBIDDEN"}').isTokenValid('t')).toBe(false);
  });
});
