import { BadRequestException } from '@nestjs/common';

/** Returns a text of a request's body. @throws BadRequestException if there is none. */
export function textOf(body: unknown, name: string): string {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw new BadRequestException(`The body must have the text "${name}".`);
}
