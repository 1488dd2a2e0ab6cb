import { matchesGlob, serverNameOf } from '#federation';
import { parseStoredJson } from '#json';

/** What an account wants to become of an invitation: `ignore` takes it and shows it to nobody, `block` refuses it. */
export type InviteDecision = 'allow' | 'ignore' | 'block';

/**
 * Types of account data that say it: by name and pattern (MSC4155) or all at once (Client-Server, "Invite permission", and MSC4380
 * before it). The stable type takes both.
 */
export const INVITE_PERMISSION_TYPES = [
  'm.invite_permission_config', 'org.matrix.msc4380.invite_permission_config', 'org.matrix.msc4155.invite_permission_config',
] as const;

/** Patterns that are looked at, of all lists, and characters of one; names that stand for themselves cost nothing. */
const MAX_PATTERNS = 200;
const MAX_LENGTH = 255;

const decisions = [['allowed', 'allow'], ['ignored', 'ignore'], ['blocked', 'block']] as const;
const PORT = /:\d{1,5}$/;

interface List {
  readonly isOfServers: boolean;
  readonly decision: InviteDecision;
  readonly names: ReadonlySet<string>;
  readonly patterns: readonly string[];
}

/** From whom an account takes invitations. */
export class InvitePermissions {
  readonly #lists: List[] = [];
  readonly #blocksAll: boolean;

  /** @param texts contents of the account data of the types above, as JSON; clients write them, so their shape is anybody's guess */
  constructor(texts: readonly string[]) {
    const contents = texts.map((text) => parseStoredJson(text) as Record<string, unknown>);
    let left = MAX_PATTERNS;
    // What is said of persons goes before what is said of their servers.
    for (const isOfServers of [false, true]) {
      for (const [name, decision] of decisions) {
        const entries = contents.flatMap((content) => entriesOf(content[`${name}_${isOfServers ? 'servers' : 'users'}`]));
        const patterns = entries.filter(isPattern).slice(0, left);
        left -= patterns.length;
        this.#lists.push({ isOfServers, decision, names: new Set(entries.filter((entry) => !isPattern(entry))), patterns });
      }
    }
    this.#blocksAll = contents.some((content) => content['default_action'] === 'block');
  }

  of(inviter: string): InviteDecision {
    const server = serverNameOf(inviter);
    // A server is meant whatever its port.
    const servers = [...new Set([server, server.replace(PORT, '')])];
    for (const { isOfServers, decision, names, patterns } of this.#lists) {
      const asked = isOfServers ? servers : [inviter];
      if (asked.some((name) => names.has(name) || patterns.some((pattern) => matchesGlob(name, pattern)))) return decision;
    }
    return this.#blocksAll ? 'block' : 'allow';
  }
}

function entriesOf(list: unknown): string[] {
  return Array.isArray(list) ? list.filter((entry) => typeof entry === 'string' && entry.length <= MAX_LENGTH) : [];
}

function isPattern(entry: string): boolean {
  return entry.includes('*') || entry.includes('?');
}
