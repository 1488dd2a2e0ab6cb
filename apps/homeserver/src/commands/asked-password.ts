import { Random } from '../observability/random.js';

/** A password for somebody: the first line of standard input, or one that is made. */
export async function askedPassword(isFromStdin: boolean): Promise<{ readonly password: string; readonly shown: string }> {
  if (isFromStdin) return { password: await readLine(), shown: '' };
  const password = new Random().token(12);
  return { password, shown: `\npassword: ${password}` };
}

async function readLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text.split('\n')[0]!.replace(/\r$/, '');
}
