import { parseJson } from '#json';
import { copyButtons } from './copy-buttons.js';
import { element } from './element.js';
import { pageTexts, type WelcomeTexts } from './page-texts.js';

const texts = pageTexts<WelcomeTexts>();
copyButtons(texts.copied);
await showHealth();

/** That the page is here says that the server answers; its database may not, and then the server says what is the matter. */
async function showHealth(): Promise<void> {
  const status = element('status', HTMLElement);
  let trouble: string | null;
  try {
    const answer = await fetch('/health', { cache: 'no-store' });
    trouble = answer.ok ? null : await sentenceOf(answer);
  } catch {
    trouble = texts.unreachable;
  }
  if (trouble === null) return;
  status.dataset['state'] = 'troubled';
  status.textContent = trouble;
}

async function sentenceOf(answer: Response): Promise<string> {
  try {
    const { error } = parseJson(await answer.text()) as { error?: unknown };
    return typeof error === 'string' ? error : texts.troubled;
  } catch {
    // A proxy in front answers in its own way.
    return texts.troubled;
  }
}
