/** Texts of a language: nested, with `{name}` where a value goes. */
export interface Texts {
  readonly [name: string]: string | Texts;
}

export interface PageContent {
  readonly texts: Texts;
  readonly values: Readonly<Record<string, string>>;
  readonly flags: Readonly<Record<string, boolean>>;
}

const SECTION = /\{\{([#^])(\w+)\}\}(.*?)\{\{\/\2\}\}/gs;
const PLACEHOLDER = /\{\{([\w.]+)\}\}/g;
const VALUE = /\{(\w+)\}/g;

/**
 * Fills a page: `{{name}}` is a value and `{{t.some.text}}` a text, both escaped for HTML; `{{#flag}}…{{/flag}}` stays where
 * the flag is set and `{{^flag}}…{{/flag}}` where it is not.
 *
 * @throws Error for a name that does not exist: a fault of the page
 */
export function fillPage(template: string, content: PageContent): string {
  return chooseSections(template, content.flags).replace(PLACEHOLDER, (_match, name: string) =>
    escapeHtml(name.startsWith('t.') ? textOf(name.slice(2), content) : known(content.values, name)),
  );
}

/** For element content and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function chooseSections(template: string, flags: PageContent['flags']): string {
  return template.replace(SECTION, (_match, sign: string, flag: string, inner: string) =>
    known(flags, flag) === (sign === '#') ? chooseSections(inner, flags) : '',
  );
}

function textOf(path: string, { texts, values }: PageContent): string {
  let found: string | Texts = texts;
  for (const name of path.split('.')) {
    if (typeof found === 'string') throw new Error(`the page has a text of no name: ${path}`);
    found = known(found, name);
  }
  if (typeof found !== 'string') throw new Error(`the page names a group of texts: ${path}`);
  return found.replace(VALUE, (_match, name: string) => known(values, name));
}

function known<T>(record: Readonly<Record<string, T>>, name: string): T {
  if (!Object.hasOwn(record, name)) throw new Error(`the page names what does not exist: ${name}`);
  return record[name]!;
}
