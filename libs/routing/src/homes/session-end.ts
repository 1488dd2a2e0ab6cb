import type { Phonebook } from '../phonebook/phonebook.js';
import type { ResumeState } from '../resume/resume-state.js';
import { Answer } from './answer.js';

/** Why the app's session is over for good. */
export type SessionEnding =
  /** Somebody removed this device. `by` is the home that said so. */
  | { type: 'removed'; by: string }
  /** The account has ended, as its last record says. */
  | { type: 'ended' };

export interface SessionEndParts {
  phonebook: Phonebook;
  userId: string;
  resume: Pick<ResumeState, 'clear'>;
  onEnding(ending: SessionEnding): void;
}

/** The end of the app's session, which it is told once, and which every request is answered with from then on. */
export class SessionEnd {
  private over: SessionEnding | undefined;

  constructor(private readonly parts: SessionEndParts) {}

  /** The answer to all requests of the app, once its session is over. */
  async answer(): Promise<Answer | undefined> {
    const { phonebook, userId } = this.parts;
    if (!this.over && phonebook.account(userId).record?.deactivated) return this.end({ type: 'ended' });
    return this.over && loggedOut(this.over);
  }

  async end(ending: SessionEnding): Promise<Answer> {
    this.over = ending;
    await this.forget();
    this.parts.onEnding(ending);
    return loggedOut(ending);
  }

  /** Forgets all sessions and where they were. */
  async forget(): Promise<void> {
    const { phonebook, userId, resume } = this.parts;
    const sessions = phonebook.account(userId).homes.filter((home) => home.accessToken !== undefined);
    await Promise.all(sessions.map((home) => phonebook.noteHome(userId, home.serverName, { accessToken: undefined })));
    await resume.clear();
  }
}

function loggedOut({ type }: SessionEnding): Answer {
  const error = type === 'removed' ? 'This device was removed' : 'The account has ended';
  const body = { errcode: 'M_UNKNOWN_TOKEN', error, soft_logout: false };
  return new Answer(401, new Headers({ 'content-type': 'application/json' }), new TextEncoder().encode(JSON.stringify(body)));
}
