/** Injection token of the frozen {@link Settings}. */
export const SETTINGS = Symbol('pgkeep settings');
