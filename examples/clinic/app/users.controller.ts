import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Param,
  ParseIntPipe,
  Post,
  Query,
} from '@nestjs/common';
import { currentActor } from 'pgkeep/client';
import { PGKEEP_CLIENT } from 'pgkeep/client/nest';
import { textOf } from './body.js';
import type { ClinicClient } from './clinic-client.js';

const PAGE = 20;

/** Accounts: a deletion marks the account, and can be undone until the grace period is over. */
@Controller('users')
export class UsersController {
  constructor(@Inject(PGKEEP_CLIENT) private readonly prisma: ClinicClient) {}

  @Get()
  async list(@Query('after', new ParseIntPipe({ optional: true })) after = 0) {
    return await this.prisma.user.findMany({
      where: { id: { gt: after } },
      orderBy: { id: 'asc' },
      take: PAGE,
    });
  }

  @Get(':id')
  async show(@Param('id', ParseIntPipe) id: number) {
    return await this.prisma.user.findUniqueOrThrow({ where: { id }, include: { parent: true } });
  }

  /** Everything that belongs to the person, for the person. */
  @Get(':id/export')
  async export(@Param('id', ParseIntPipe) id: number) {
    return await this.prisma.softDelete.exportUserData(id);
  }

  @Delete(':id')
  async remove(@Param('id', ParseIntPipe) id: number, @Body() body: unknown) {
    return await this.prisma.softDelete.softDelete('User', id, currentActor(), textOf(body, 'reason'));
  }

  @Post(':id/restore')
  @HttpCode(200)
  async restore(@Param('id', ParseIntPipe) id: number, @Body() body: unknown) {
    return await this.prisma.softDelete.restore('User', id, currentActor(), textOf(body, 'reason'));
  }
}
