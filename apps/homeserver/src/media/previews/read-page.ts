/** What a page says of itself for those who link to it. */
export interface PageCard {
  /** By property: `og:title`, `og:image`… (https://ogp.me). */
  readonly properties: ReadonlyMap<string, string>;
  /** Where its oEmbed description is, as the page has it. */
  readonly oEmbed: string | undefined;
}

const MAX_PROPERTIES = 50;
const MAX_VALUE = 1_000;
const MAX_TEXT = 500;
const PROPERTY = /^(og|article|book|profile|music|video|twitter):[\w:-]{1,60}$/;
/** Twitter's names of the same things. */
const OF_TWITTER: Readonly<Record<string, string>> = {
  'twitter:title': 'og:title', 'twitter:description': 'og:description', 'twitter:image': 'og:image', 'twitter:image:src': 'og:image', 'twitter:site': 'og:site_name',
};
/** Their text is not for reading. */
const SILENT = new Set(['script', 'style', 'noscript', 'nav', 'header', 'footer', 'svg', 'template', 'title']);

/** Reads a page as far as it came: OpenGraph first, else its title, its description, or how it begins. The parser is brought in with the first page. */
export async function readPage(html: string): Promise<PageCard> {
  const { Parser } = await import('htmlparser2');
  const given = new Map<string, string>();
  const others = new Map<string, string>();
  let oEmbed: string | undefined;
  let title = '';
  let text = '';
  let inTitle = false;
  let silent = 0;
  const parser = new Parser({
    onopentag(name, attributes) {
      if (name === 'meta') {
        const key = (attributes['property'] ?? attributes['name'] ?? '').trim().toLowerCase();
        const value = attributes['content'] ?? '';
        if (PROPERTY.test(key) && !key.startsWith('twitter:')) note(given, key, value);
        else if (key === 'description') note(others, 'og:description', value);
        else if (OF_TWITTER[key] !== undefined) note(others, OF_TWITTER[key], value);
      } else if (name === 'link' && /\boembed\b/i.test(attributes['type'] ?? '') && /json/i.test(attributes['type'] ?? '')) {
        oEmbed ??= attributes['href'];
      } else if (name === 'title') {
        inTitle = true;
      }
      if (SILENT.has(name)) silent++;
    },
    ontext(piece) {
      if (inTitle && title.length < MAX_VALUE) title += piece;
      if (silent === 0 && text.length < 4 * MAX_TEXT) text += piece;
    },
    onclosetag(name) {
      if (name === 'title') inTitle = false;
      if (SILENT.has(name) && silent > 0) silent--;
      if (text !== '') text += ' ';
    },
  }, { decodeEntities: true, lowerCaseTags: true });
  parser.end(html);
  for (const [key, value] of others) if (!given.has(key)) note(given, key, value);
  if (!given.has('og:title')) note(given, 'og:title', title);
  if (!given.has('og:description')) note(given, 'og:description', tidy(text).slice(0, MAX_TEXT));
  return { properties: given, oEmbed };
}

/** The first one counts. */
function note(map: Map<string, string>, key: string, value: string): void {
  const clean = tidy(value).slice(0, key.endsWith('image') || key.endsWith('url') ? 2_048 : MAX_VALUE);
  if (clean !== '' && !map.has(key) && map.size < MAX_PROPERTIES) map.set(key, clean.toWellFormed());
}

function tidy(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').replace(/\s+/g, ' ').trim();
}
