import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { type FoundPerson, PeopleStore, searchTextOf } from './people.store.js';
import { seenNameIn } from './seen-names.js';

const MAX_TERMS = 10;

/** A result of the user directory, as it is sent. */
export interface PersonShown {
  readonly user_id: string;
  readonly display_name?: string;
  readonly avatar_url?: string;
}

/** Finds people by name: those with whom somebody shares a room, and those in rooms that are open to all (client-server/users.yaml). */
@Injectable()
export class PeopleSearch {
  constructor(
    private readonly store: PeopleStore,
    private readonly accounts: AccountDirectory,
    private readonly accountData: AccountData,
  ) {}

  /** Each word of the term has to be in the name or the user id. */
  async find(searcher: string, term: string, limit: number): Promise<{ results: PersonShown[]; limited: boolean }> {
    const terms = term.trim().toLowerCase().split(/\s+/).filter((word) => word !== '').slice(0, MAX_TERMS);
    if (terms.length === 0) return { results: [], limited: false };
    const ignored = await this.accountData.ignored(searcher);
    const first = `${literal(terms[0]!.replace(/^@/, ''))}%`;
    const found = await this.store.search(searcher, terms.map((word) => `%${literal(word)}%`), first, limit + 1 + ignored.size);
    const people = found.filter(({ userId }) => !ignored.has(userId)).map((person) => this.#shown(person)).filter((person) => terms.every((word) => searchTextOf(person).includes(word)));
    const results = people.slice(0, limit).map(({ userId, displayName, avatarUrl }) => ({
      user_id: userId, ...(displayName === null ? {} : { display_name: displayName }), ...(avatarUrl === null ? {} : { avatar_url: avatarUrl }),
    }));
    return { results, limited: found.length > limit };
  }

  /** People of other servers are shown as they are called in the room by which they were found, not as elsewhere. */
  #shown(person: FoundPerson): FoundPerson {
    return this.accounts.has(person.userId) ? person : { ...person, ...seenNameIn(person.memberJson) };
  }
}

/** A text as a pattern of LIKE that fits it alone. */
function literal(text: string): string {
  return text.replace(/[\\%_]/g, (sign) => `\\${sign}`);
}
