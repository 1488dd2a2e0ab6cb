import { accountKeyLogin, loginProofText } from '#e2e';
import type { Phonebook } from '../phonebook/phonebook.js';
import type { Answer } from './answer.js';
import { DeviceRemoved, HomeRefused } from './home-failure.js';
import type { HomeTransport } from './home-transport.js';
import { RecordBringer } from './record-bringer.js';

const loginTimeoutMs = 4_000;

export interface HomeSessionsParts {
  transport: HomeTransport;
  phonebook: Phonebook;
  userId: string;
  /** Signs with the account key: unpadded base64. */
  sign(text: string): string | Promise<string>;
  /** Ids of the latest events that the app has, by room. */
  seen?: () => Promise<Record<string, string[]>>;
}

/** The account's access token at each home; logs in with the account key where there is none (protocol §5 rule 1). */
export class HomeSessions {
  private readonly records: RecordBringer;
  private readonly pending = new Map<string, Promise<string>>();

  constructor(private readonly parts: HomeSessionsParts) {
    this.records = new RecordBringer(parts);
  }

  /** Sees to it that a home has the account's highest record. */
  meet(serverName: string): Promise<void> {
    return this.records.bring(serverName);
  }

  /** Takes a record that a home showed, or what follows it and the known one. Returns whether there is another one now. */
  takeRecord(record: unknown): Promise<boolean> {
    return this.records.take(record);
  }

  /** The token at a home, if the account is logged in there. */
  known(serverName: string): string | undefined {
    return this.parts.phonebook.home(this.parts.userId, serverName)?.accessToken;
  }

  /**
   * The token at a home, after logging in if need be. Requests that come meanwhile wait for the same login.
   * @throws HomeRefused, HomeSilent, DeviceRemoved
   */
  async token(serverName: string): Promise<string> {
    const known = this.known(serverName);
    if (known) return known;
    let login = this.pending.get(serverName);
    if (!login) {
      login = this.login(serverName).finally(() => this.pending.delete(serverName));
      this.pending.set(serverName, login);
    }
    return login;
  }

  /** Forgets a token that the home has refused, unless another request has already replaced it. */
  async forget(serverName: string, refused: string): Promise<void> {
    if (this.known(serverName) === refused) {
      await this.parts.phonebook.noteHome(this.parts.userId, serverName, { accessToken: undefined });
    }
  }

  private async login(serverName: string): Promise<string> {
    const { phonebook, userId } = this.parts;
    const { deviceId } = phonebook.account(userId);
    await this.meet(serverName);
    const { nonce } = this.granted(serverName, await this.send(serverName, 'GET', 'unstable/io.partyline/login/nonce'));
    const signature = await this.parts.sign(loginProofText(String(nonce), userId, serverName));
    const answer = await this.send(serverName, 'POST', 'v3/login', {
      type: accountKeyLogin,
      identifier: { type: 'm.id.user', user: userId },
      device_id: deviceId,
      nonce,
      signature,
    });
    if (answer.errcode === 'IO_PARTYLINE_DEVICE_REMOVED') throw new DeviceRemoved(serverName);
    // A record may say why: it proves itself, the refusal does not.
    if (answer.status === 403) await this.records.bring(serverName, true);
    const granted = this.granted(serverName, answer);
    const { access_token: token } = granted;
    // Another device would split the account's keys and read state in two.
    if (granted['user_id'] !== userId || granted['device_id'] !== deviceId || typeof token !== 'string') {
      throw new HomeRefused(serverName, answer, 'login');
    }
    await phonebook.noteHome(userId, serverName, { accessToken: token });
    return token;
  }

  private granted(serverName: string, answer: Answer): Record<string, unknown> {
    if (!answer.ok) throw new HomeRefused(serverName, answer, 'login');
    return answer.object();
  }

  private send(serverName: string, method: string, endpoint: string, body?: object): Promise<Answer> {
    return this.parts.transport.send(serverName, {
      method,
      path: `/_matrix/client/${endpoint}`,
      timeoutMs: loginTimeoutMs,
      ...(body ? { body: JSON.stringify(body), headers: new Headers({ 'content-type': 'application/json' }) } : {}),
    });
  }
}
