import { parseXMatrix } from './parse-x-matrix.js';

const parsed = { origin: 'a.example', destination: 'b.example', key: 'ed25519:k1', sig: 'AbC+/' };

describe('parseXMatrix', () => {
  it.each([
    ['quoted, as servers send it', 'X-Matrix origin="a.example",destination="b.example",key="ed25519:k1",sig="AbC+/"'],
    ['unquoted with colons, as old servers do', 'X-Matrix origin=a.example,destination=b.example,key=ed25519:k1,sig=AbC+/'],
    ['spaces and tabs around commas', 'X-Matrix   origin="a.example" ,\tdestination=b.example , key="ed25519:k1",  sig="AbC+/"'],
    ['another order and case of the names', 'x-matrix SIG="AbC+/",Key="ed25519:k1",DESTINATION="b.example",oRiGiN="a.example"'],
    ['escaped characters', 'X-Matrix origin="a\\.example",destination="b.example",key="ed25519\\:k1",sig="AbC+/"'],
    ['unknown parameters', 'X-Matrix origin="a.example",destination="b.example",key="ed25519:k1",sig="AbC+/",x="1, 2"'],
  ])('takes %s', (_name, header) => {
    expect(parseXMatrix(header)).toEqual(parsed);
  });

  it('takes a request without destination (before v1.3)', () => {
    expect(parseXMatrix('X-Matrix origin=a.example,key="ed25519:k1",sig="s"')).toEqual({ origin: 'a.example', key: 'ed25519:k1', sig: 's' });
  });

  it.each([
    ['nothing', undefined],
    ['another scheme', 'Bearer abc'],
    ['no parameters', 'X-Matrix '],
    ['no signature', 'X-Matrix origin="a.example",key="ed25519:k1"'],
    ['an empty origin', 'X-Matrix origin="",key="ed25519:k1",sig="s"'],
    ['an open quote', 'X-Matrix origin="a.example,key=k,sig=s'],
    ['one name twice', 'X-Matrix origin="a.example",origin="b.example",key="k",sig="s"'],
    ['text between parameters', 'X-Matrix origin="a.example" and key="k",sig="s"'],
    ['a header of many kilobytes', `X-Matrix origin="a.example",key="k",sig="${'s'.repeat(5_000)}"`],
  ])('refuses %s', (_name, header) => {
    expect(parseXMatrix(header)).toBeUndefined();
  });
});
