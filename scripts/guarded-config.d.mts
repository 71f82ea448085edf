export function guardedConfig<Config extends object>(config: Config): Promise<Config>;
