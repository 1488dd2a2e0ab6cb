import { parseOptions } from './options.ts';

describe('benchmark options', () => {
  it('starts Partyline itself and compares with nobody unless told otherwise', () => {
    const options = parseOptions([]);
    expect(options.main.url).toBeNull();
    expect(options.peer).toBeNull();
    expect(options).toMatchObject({ only: [], quick: false, rounds: 3, format: 'table' });
  });

  it('reads a peer and never runs it fewer than two rounds', () => {
    const options = parseOptions([
      '--peer', 'http://127.0.0.1:8009/', '--peer-secret', 's', '--peer-pid', '42', '--rounds', '1', '--only', 'send1, send64,',
    ]);
    expect(options.peer).toEqual({ url: 'http://127.0.0.1:8009', secret: 's', pid: 42, databaseUrl: null, restart: null });
    expect(options.rounds).toBe(2);
    expect(options.only).toEqual(['send1', 'send64']);
  });

  it.each([
    [['--url', 'http://localhost:8008'], /--url needs --secret/],
    [['--peer', 'http://localhost:8008'], /--peer needs --peer-secret/],
    [['--rounds', '0'], /--rounds/],
    [['--pid', 'x'], /--pid/],
    [['--json', '--markdown'], /exclude/],
    [['--url', 'nonsense', '--secret', 's'], /Invalid URL/],
    [['--colour'], /--colour/],
  ])('refuses %j', (argv, message) => {
    expect(() => parseOptions(argv)).toThrow(message);
  });
});
