import { burnt, CommitMarks, type CommitMark } from './commit-marks.js';

const PLACES = 4096;
const EPOCH = 7;

describe('a mark', () => {
  const marks = new CommitMarks();
  const next = (): CommitMark => marks.take();
  const commit = (mark: CommitMark): void => marks.free(mark, mark.n);

  it('that is found was committed, and one that was there before shows that it was not', () => {
    const mark = next();
    expect(marks.judge(mark, EPOCH, { epoch: EPOCH, n: mark.n })).toBe('committed');
    expect(marks.judge(mark, EPOCH, { epoch: EPOCH - 1, n: mark.n })).toBe('rolled back');
    commit(mark);
  });

  it('is not given while its place is used', () => {
    const held = next();
    const given = Array.from({ length: 2 * PLACES }, () => {
      const mark = next();
      commit(mark);
      return mark.place;
    });
    expect(given).not.toContain(held.place);
    marks.free(held);
  });

  it('says that the database is another one when what was stored before is not there', () => {
    const first = next();
    commit(first);
    let again = next();
    while (again.place !== first.place) {
      commit(again);
      again = next();
    }
    expect(marks.judge(again, EPOCH, { epoch: EPOCH, n: first.n })).toBe('rolled back');
    expect(marks.judge(again, EPOCH, { epoch: EPOCH, n: 0 })).toBeUndefined();
    expect(marks.judge(again, EPOCH, { epoch: EPOCH - 1, n: first.n })).toBeUndefined();
    expect(marks.judge(again, EPOCH, { epoch: EPOCH + 1, n: again.n })).toBeUndefined();
  });

  it('that was burnt stays out, and the next one at its place comes after it', () => {
    const mark = next();
    const found = { epoch: EPOCH, n: burnt(mark) };
    expect(marks.judge(mark, EPOCH, found)).toBe('rolled back');
    marks.free(mark, burnt(mark));
    let again = next();
    while (again.place !== mark.place) {
      commit(again);
      again = next();
    }
    expect(again.n).toBeGreaterThan(found.n);
    expect(marks.judge(again, EPOCH, found)).toBe('rolled back');
  });
});
