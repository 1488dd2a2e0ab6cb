import { fillPage, type PageContent } from './fill-page.js';

const content: PageContent = {
  texts: { hello: 'Hello {name}', deep: { er: 'a < b' } },
  values: { name: `<b title="x">'&` },
  flags: { yes: true, no: false },
};

describe('filling a page', () => {
  it('escapes values and texts, also values within texts', () => {
    const escaped = '&#60;b title=&#34;x&#34;&#62;&#39;&#38;';
    expect(fillPage('<p a="{{name}}">{{t.hello}} {{t.deep.er}}</p>', content)).toBe(`<p a="${escaped}">Hello ${escaped} a &#60; b</p>`);
  });

  it('does not fill what a value holds', () => {
    expect(fillPage('{{name}}', { ...content, values: { name: '{{t.hello}}{{#yes}}' } })).toBe('{{t.hello}}{{#yes}}');
  });

  it('keeps the sections whose flag fits, one within the other', () => {
    const template = '{{#yes}}1{{^no}}2{{/no}}{{#no}}3{{/no}}{{/yes}}{{^yes}}4{{#no}}5{{/no}}{{/yes}}\n{{#yes}}6\n7{{/yes}}';
    expect(fillPage(template, content)).toBe('12\n6\n7');
  });

  it.each(['{{nothing}}', '{{t.nothing}}', '{{t.deep}}', '{{t.hello.er}}', '{{#nothing}}x{{/nothing}}', '{{constructor}}', '{{t.toString}}'])(
    'refuses %s',
    (template) => {
      expect(() => fillPage(template, content)).toThrow('the page');
    },
  );
});
