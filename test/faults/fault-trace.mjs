// What a server of the fault tests asks of the others and is asked by them, line by line: `FAULTS_TRACE=folder` names where the files go.
import { appendFileSync } from 'node:fs';
import { FederationClient } from '../../dist/apps/homeserver/src/federation/federation-client.js';

/** A text of at most so many characters. */
const short = (value, length = 400) => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length > length ? `${text.slice(0, length)}…` : text;
};

/** What there is to see of an event or EDU in a transaction. */
const seen = (one) => short(one.edu_type === undefined ? [one.type, one.sender, one.state_key, one.content?.body ?? one.content?.membership, one.depth] : [one.edu_type, one.content], 200);

function bodyOf(body) {
  if (body === undefined) return '';
  const content = typeof body === 'string' ? JSON.parse(body) : body;
  if (!Array.isArray(content.pdus)) return short(content, 200);
  return [...content.pdus, ...(content.edus ?? [])].map(seen).join(' ');
}

/** @param file to which the lines are added, over all lives of the server */
export function trace(file) {
  const note = (line) => appendFileSync(file, `${new Date().toISOString().slice(11, 23)} ${line}\n`);
  note('--- started');
  const { request } = FederationClient.prototype;
  FederationClient.prototype.request = async function (asked) {
    const what = `${asked.destination} ${asked.method} ${asked.path.replace('/_matrix/federation', '')} ${bodyOf(asked.body)}`;
    const start = performance.now();
    try {
      const answer = await request.call(this, asked);
      note(`${what} -> ${short(answer)} (${Math.round(performance.now() - start)} ms)`);
      return answer;
    } catch (error) {
      note(`${what} -> FAILED ${short(String(error))} (${Math.round(performance.now() - start)} ms)`);
      throw error;
    }
  };
  return note;
}
