import { parseJson } from '#json';
import type texts from '../texts/en.json';

/** What the scripts say: the parts of `texts/<language>.json` that the server puts into their page's `data-texts`. */
export type WelcomeTexts = typeof texts.script;
export type SetupTexts = typeof texts.script & typeof texts.setupScript;

/** The texts that the page brings along, in its language. */
export function pageTexts<T>(): T {
  return parseJson(document.body.dataset['texts'] ?? '{}') as T;
}
