/** The session that a migration's script is sent on. */
export interface ScriptSession {
  readonly backendPid: number;
  /**
   * Sends SQL whole, as one simple query: one implicit transaction, where it does not end that itself.
   * @param onStatement called for every statement that PostgreSQL says is done
   * @throws what node-postgres throws.
   */
  send(sql: string, onStatement?: () => void): Promise<void>;
}

/** Sends a script of the engine's, with whatever is to come before and after it; throws what the script throws. */
export type ScriptRunner = (script: string, session: ScriptSession) => Promise<void>;
