import { Log } from '../observability/log.js';
import { EduHandlers } from './edu-handlers.js';

describe('EduHandlers', () => {
  let handlers: EduHandlers;
  const failWith = (error: unknown) => handlers.register('m.test', () => Promise.reject(error));
  const handle = () => handlers.handle('b.example', { edu_type: 'm.test', content: {} });
  beforeEach(() => {
    handlers = new EduHandlers(new Log('silent'));
  });

  it.each([
    { code: 'ECONNREFUSED' }, { code: '08006' }, { code: '53300' }, { code: '57P01' }, new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
  ])('leaves an EDU to its sender while the database is away: %p', async (error) => {
    failWith(error);
    await expect(handle()).rejects.toBe(error);
  });

  it.each([new TypeError('a bug'), { code: '22P05' }, { code: '23505' }, undefined])('does not ask for one again that it cannot take: %p', async (error) => {
    failWith(error);
    await handle();
  });

  it.each([null, 1, {}, { edu_type: 'm.other', content: {} }, { edu_type: 'm.test' }, { edu_type: 'm.test', content: [] }, { edu_type: 'm.test', content: null }])(
    'ignores what it does not know: %p',
    async (edu) => {
      failWith({ code: '57P01' });
      await handlers.handle('b.example', edu);
    },
  );
});
