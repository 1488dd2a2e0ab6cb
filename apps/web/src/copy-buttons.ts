const SHOWN_MS = 2_000;

/**
 * Makes `<button data-copy="id">` copy the text of that element. Browsers allow it on https and localhost only; elsewhere
 * the buttons stay hidden, and a click on the text selects all of it.
 *
 * @param copied what a button says for a moment afterwards
 */
export function copyButtons(copied: string): void {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-copy]')) {
    const source = document.getElementById(button.dataset['copy']!);
    if (!source) continue;
    const [text, label] = [button.textContent, button.getAttribute('aria-label')];
    let timer: number | undefined;
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(source.textContent ?? '');
      button.textContent = copied;
      // The label would hide the change from screen readers.
      button.setAttribute('aria-label', copied);
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        button.textContent = text;
        if (label !== null) button.setAttribute('aria-label', label);
      }, SHOWN_MS);
    });
  }
}
