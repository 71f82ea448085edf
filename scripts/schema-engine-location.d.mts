export function datasourceUrl(url: string | undefined, schema?: string): string | undefined;
export function configuredUrl(): string | undefined;
