import { checkAccount, normalName } from './check-account.js';
import { copyButtons } from './copy-buttons.js';
import { element } from './element.js';
import { invitationCodes } from './invitation-codes.js';
import { pageTexts, type SetupTexts } from './page-texts.js';
import { SetupError, SetupRequests } from './setup-requests.js';

const texts = pageTexts<SetupTexts>();
const { serverName = '', registration = '' } = document.body.dataset;
const requests = new SetupRequests('', (url, init) => fetch(url, init));
const form = element('form', HTMLFormElement);
const name = element('name', HTMLInputElement);
const password = element('password', HTMLInputElement);
const submit = element('submit', HTMLButtonElement);
const progress = element('progress', HTMLElement);
let isSending = false;

copyButtons(texts.copied);
name.addEventListener('input', showFullName);
element('show', HTMLButtonElement).addEventListener('click', togglePassword);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void send();
});
// Whoever pastes the right address over a wrong one changes the fragment only.
addEventListener('hashchange', () => void begin());
await begin();

function token(): string {
  return location.hash.slice(1);
}

/** Shows the form, or why there is none. */
async function begin(): Promise<void> {
  if (!element('done', HTMLElement).hidden) return;
  const used = token();
  const isValid = used !== '' && (await requests.isTokenValid(used));
  show(used === '' ? 'no-token' : isValid ? 'form' : 'spent');
  showFullName();
}

function show(part: 'no-token' | 'spent' | 'form' | 'done'): void {
  for (const id of ['no-token', 'spent', 'form', 'done']) element(id, HTMLElement).hidden = id !== part;
}

async function send(): Promise<void> {
  if (isSending) return;
  const account = { token: token(), name: normalName(name.value), password: password.value };
  const problems = checkAccount(account.name, account.password);
  explain(name, problems.name && texts[problems.name]);
  explain(password, problems.password && texts[problems.password]);
  element('problem', HTMLElement).textContent = '';
  (problems.name ? name : problems.password ? password : null)?.focus();
  if (problems.name || problems.password) return;
  working(true);
  try {
    const { userId, accessToken } = await requests.register(account, registration === 'token' ? texts.deviceName : null);
    finish(userId, accessToken);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    refused(error);
  } finally {
    working(false);
  }
}

/** The button keeps the focus while it cannot be used, so that keyboard and screen reader stay where they are. */
function working(isWorking: boolean): void {
  isSending = isWorking;
  submit.setAttribute('aria-disabled', String(isWorking));
  progress.textContent = isWorking ? texts.working : '';
}

function refused({ problem, retryAfterMs, reason }: SetupError): void {
  const text = texts[problem].replace('{seconds}', String(Math.ceil(retryAfterMs / 1000))).replace('{reason}', reason);
  const field = problem.startsWith('name') ? name : problem.startsWith('password') ? password : null;
  if (field) {
    explain(field, text);
    field.focus();
  } else if (problem === 'linkSpent') {
    show('spent');
    element('spent-title', HTMLElement).focus();
  } else {
    element('problem', HTMLElement).textContent = text;
  }
}

function explain(field: HTMLInputElement, problem: string | undefined): void {
  field.setAttribute('aria-invalid', String(problem !== undefined));
  element(`${field.id}-problem`, HTMLElement).textContent = problem ?? '';
}

function finish(userId: string, accessToken: string | null): void {
  password.value = '';
  element('user-id', HTMLElement).textContent = userId;
  document.title = texts.doneTitle;
  // The link is of no use any more; it need not stay in the browser's history.
  history.replaceState(null, '', location.pathname);
  show('done');
  element('done-title', HTMLElement).focus();
  if (accessToken !== null) invitationCodes(requests, accessToken, texts);
}

function showFullName(): void {
  const chosen = normalName(name.value);
  element('full-name', HTMLElement).textContent = `@${chosen}:${serverName}`;
  element('full-name-line', HTMLElement).hidden = chosen === '';
}

function togglePassword(event: Event): void {
  const button = event.currentTarget as HTMLButtonElement;
  const isShown = password.type === 'password';
  password.type = isShown ? 'text' : 'password';
  button.setAttribute('aria-pressed', String(isShown));
  button.textContent = isShown ? texts.hide : texts.show;
}
