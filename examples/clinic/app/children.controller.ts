import { Body, Controller, Delete, Get, Inject, Param, ParseIntPipe, Patch, Query } from '@nestjs/common';
import { currentActor } from 'pgkeep/client';
import { PGKEEP_CLIENT } from 'pgkeep/client/nest';
import { textOf } from './body.js';
import type { ClinicClient } from './clinic-client.js';

const PAGE = 20;

/** Patients: listed, shown, corrected with a reason. They are never deleted. */
@Controller('children')
export class ChildrenController {
  constructor(@Inject(PGKEEP_CLIENT) private readonly prisma: ClinicClient) {}

  /** Lists may be some seconds old, so they are read from the replica. */
  @Get()
  async list(@Query('after', new ParseIntPipe({ optional: true })) after = 0) {
    return await this.prisma.$replica().child.findMany({
      where: { id: { gt: after } },
      orderBy: { id: 'asc' },
      take: PAGE,
      include: { posyandu: { select: { name: true } }, _count: { select: { sessions: true } } },
    });
  }

  /** What may be changed next is read from the primary. */
  @Get(':id')
  async show(@Param('id', ParseIntPipe) id: number) {
    return await this.prisma.child.findUniqueOrThrow({
      where: { id },
      include: { parent: { include: { user: true } }, sessions: { orderBy: { examinedAt: 'desc' } } },
    });
  }

  /** A correction needs a reason, which is recorded with who made it. */
  @Patch(':id')
  async correct(@Param('id', ParseIntPipe) id: number, @Body() body: unknown) {
    const data = { fullName: textOf(body, 'fullName') };
    const by = currentActor();
    return await this.prisma.$withReason(
      { reason: textOf(body, 'reason'), ...(by !== undefined && { by }) },
      async (tx) => await tx.child.update({ where: { id }, data }),
    );
  }

  /** Refused by the guard, and by the database itself: a patient's record is never deleted. */
  @Delete(':id')
  async remove(@Param('id', ParseIntPipe) id: number) {
    return await this.prisma.child.delete({ where: { id } });
  }
}
