/**
 * The version vector of an account's operation log (protocol §4): home name → number of its last operation known here. The
 * folder of homes lies above this one: its global module provides this token; without it vectors are empty.
 */
export abstract class AccountVector {
  abstract of(userId: string): Promise<Readonly<Record<string, number>>>;
}
