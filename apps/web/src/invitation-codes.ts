import { element } from './element.js';
import type { SetupTexts } from './page-texts.js';
import { SetupError, type SetupRequests } from './setup-requests.js';

/**
 * Lets the new administrator make codes with which others register, as long as the page is open; the session ends with it.
 */
export function invitationCodes(requests: SetupRequests, accessToken: string, texts: SetupTexts): void {
  const problem = element('code-problem', HTMLElement);
  const status = element('code-status', HTMLElement);
  element('make-code', HTMLButtonElement).addEventListener('click', async () => {
    problem.textContent = status.textContent = '';
    try {
      const code = document.createElement('code');
      code.textContent = await requests.makeInvitationCode(accessToken);
      const item = document.createElement('li');
      item.append(code);
      element('codes', HTMLElement).append(item);
      status.textContent = texts.codeMade;
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      problem.textContent = error.problem === 'unreachable' ? texts.unreachable : texts.failed.replace('{reason}', error.reason);
    }
  });
  addEventListener('pagehide', () => void requests.logOut(accessToken), { once: true });
}
