import { RawAnswers } from './raw-answers.js';

const answer = (next: string, ids: string[], limited = false) =>
  ({ next_batch: next, rooms: { join: { '!r': { timeline: { limited, events: ids.map((id) => ({ event_id: id })) } } } } });

describe('raw answers', () => {
  let raw: RawAnswers;
  beforeEach(() => { raw = new RawAnswers(); });
  const take = (given: { next_batch: string }) => { raw.answered(given); raw.asked(given.next_batch); };

  it('count what came in two answers that the client went on from', () => {
    take(answer('1', ['$a', '$b']));
    take(answer('2', ['$b', '$c']));
    expect(raw.repeated).toEqual(['$b']);
  });

  it('do not count what was lost on the way, or came in a timeline that begins anew', () => {
    raw.answered(answer('1', ['$a']));
    take(answer('1', ['$a']));
    take(answer('2', ['$a', '$b'], true));
    expect(raw.repeated).toEqual([]);
  });

  it('count the twin of a message, and messages to the device by their id', () => {
    const said = (id: string) => ({ event_id: id, sender: '@a:a', unsigned: { 'io.partyline.txn': 't' } });
    const toDevice = { events: [{ 'io.partyline.id': 'm1' }] };
    take({ next_batch: '1', rooms: { join: { '!r': { timeline: { events: [said('$a')] } } } }, to_device: toDevice } as never);
    take({ next_batch: '2', rooms: { join: { '!r': { timeline: { events: [said('$b')] } } } }, to_device: toDevice } as never);
    expect(raw.repeated).toEqual(['$b', 'm1']);
  });

  it('are listened to on their way, which changes nothing', async () => {
    let n = 0;
    const fetchFn = raw.listen(() => Promise.resolve(Response.json(answer(String(++n), ['$a']))));
    for (const since of ['', '?since=1', '?since=2']) {
      expect(await (await fetchFn(`https://h/_matrix/client/v3/sync${since}`)).json()).toMatchObject({ next_batch: String(n) });
    }
    expect(raw.repeated).toEqual(['$a']);
  });
});
