/** A setting that the operator has to correct; its message names the setting and says what is expected. */
export class SettingsError extends Error {
  constructor(
    readonly setting: string,
    problem: string,
  ) {
    super(`${setting}: ${problem}`);
    this.name = 'SettingsError';
  }
}
