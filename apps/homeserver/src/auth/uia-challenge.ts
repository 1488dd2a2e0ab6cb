import { MatrixError } from '../errors/matrix-error.js';

/** What a client must know to go on with user-interactive authentication. */
export interface UiaState {
  readonly session: string;
  readonly flows: readonly { readonly stages: readonly string[] }[];
  readonly params: Readonly<Record<string, unknown>>;
  readonly completed: readonly string[];
}

/** 401 of user-interactive authentication: has an errcode only where a stage was tried and failed. */
export class UiaChallenge extends MatrixError {
  constructor(
    private readonly state: UiaState,
    private readonly failure?: MatrixError,
  ) {
    super(401, failure?.errcode ?? '', failure?.message ?? 'Further authentication is needed');
  }

  /** Id of the session that the client is to go on with. */
  get session(): string {
    return this.state.session;
  }

  override toBody(): Record<string, unknown> {
    return { ...(this.failure ? this.failure.toBody() : {}), ...this.state };
  }
}
