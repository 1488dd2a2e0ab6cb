import { readPage } from './read-page.js';

const read = async (html: string) => {
  const { properties, oEmbed } = await readPage(html);
  return { ...Object.fromEntries(properties), ...(oEmbed !== undefined && { oEmbed }) };
};

it('reads OpenGraph, the first of each', async () => {
  expect(await read(`<html><head><title>Other</title>
    <meta property="og:title" content="Tea &amp; cake"><meta property="og:title" content="Second"/>
    <meta property="OG:Image" content="/tea.png"><meta name="twitter:title" content="Tweet"><meta property="og:description" content=" a
    b "></head><body>text</body>`)).toEqual({ 'og:title': 'Tea & cake', 'og:image': '/tea.png', 'og:description': 'a b' });
});

it('makes do with the title, the description, or how the page begins', async () => {
  expect(await read('<title>A page</title><meta name="description" content="About"><p>Text')).toEqual({ 'og:title': 'A page', 'og:description': 'About' });
  expect(await read('<title>A page</title><script>var x = 1;</script><style>p{}</style><h1>Hello</h1><p>World</p>')).toEqual({ 'og:title': 'A page', 'og:description': 'Hello World' });
  expect(await read('')).toEqual({});
});

it('finds the oEmbed description', async () => {
  expect(await read('<link rel="alternate" type="application/json+oembed" href="/o?x=1"><link type="text/xml+oembed" href="/no">')).toEqual({ oEmbed: '/o?x=1' });
});

it('is bounded, whatever the page', async () => {
  const many = Array.from({ length: 1_000 }, (_, i) => `<meta property="og:x${i}" content="${'y'.repeat(5_000)}">`).join('');
  const card = await readPage(`${many}<title>${'t'.repeat(1e6)}`);
  expect(card.properties.size).toBe(50);
  for (const value of card.properties.values()) expect(value.length).toBeLessThanOrEqual(1_000);
  // Open tags without end, and a lone surrogate.
  expect(await read('<svg><svg><title>\ud800')).toEqual({ 'og:title': '\ufffd' });
});
