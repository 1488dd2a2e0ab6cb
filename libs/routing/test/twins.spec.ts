import { ResumeState } from '../src/resume/resume-state.js';
import { syncResponse } from '../src/resume/sync-response.js';
import { FakeStorage } from './fake-storage.js';

const roomId = '!room:example';
const event = (id: string, txn: string, sender = '@bob:b') => ({ event_id: id, sender, unsigned: { 'io.partyline.txn': txn } });
const answer = (events: object[], limited = false) => ({
  next_batch: 'n', rooms: { join: { [roomId]: { timeline: { events, limited, prev_batch: 'p' } } } },
});
const idsOf = (body: Record<string, unknown>): string[] =>
  (body as ReturnType<typeof answer>).rooms.join[roomId]!.timeline.events.map((item) => (item as { event_id: string }).event_id);

describe('two events of one message, that was sent at two homes', () => {
  let state: ResumeState;
  beforeEach(async () => {
    state = new ResumeState(new FakeStorage(), 'resume');
    await syncResponse(answer([event('$1', 'x')]), { serverName: 'a', after: 0, initial: true }, state);
  });

  it('are shown once, whichever of them a home knows', async () => {
    const body = await syncResponse(answer([event('$1b', 'x'), event('$2', 'y')]), { serverName: 'b', after: 1, initial: false }, state);
    expect(idsOf(body)).toEqual(['$2']);
  });

  it('are told from the messages of others', async () => {
    const body = await syncResponse(answer([event('$2', 'x', '@carol:c')]), { serverName: 'b', after: 1, initial: false }, state);
    expect(idsOf(body)).toEqual(['$2']);
  });

  it('are forgotten with what the app has lost, and where a timeline begins anew', async () => {
    await syncResponse(answer([event('$2', 'y')]), { serverName: 'a', after: 1, initial: false }, state);
    const fallenBack = await syncResponse(answer([event('$2b', 'y')]), { serverName: 'b', after: 1, initial: false }, state);
    expect(idsOf(fallenBack)).toEqual(['$2b']);
    const anew = await syncResponse(answer([event('$1b', 'x')], true), { serverName: 'b', after: 3, initial: false }, state);
    expect(idsOf(anew)).toEqual(['$1b']);
  });

  it('are shown when they come after a timeline has begun anew without them', async () => {
    await syncResponse(answer([event('$2', 'y')], true), { serverName: 'a', after: 1, initial: false }, state);
    const late = await syncResponse(answer([event('$1', 'x'), event('$2b', 'y')]), { serverName: 'b', after: 2, initial: false }, state);
    expect(idsOf(late)).toEqual(['$1']);
    // The app has gone back to the time before.
    const fallenBack = await syncResponse(answer([event('$1b', 'x')]), { serverName: 'b', after: 1, initial: false }, state);
    expect(idsOf(fallenBack)).toEqual([]);
  });
});
