import { Controller, Get, Inject, Param, ParseIntPipe, Query } from '@nestjs/common';
import { PGKEEP_CLIENT } from 'pgkeep/client/nest';
import type { ClinicClient } from './clinic-client.js';

const PAGE = 20;

/** Screenings of children. */
@Controller('sessions')
export class SessionsController {
  constructor(@Inject(PGKEEP_CLIENT) private readonly prisma: ClinicClient) {}

  /** How many sessions there are of each status: a report, so it is read from the replica. */
  @Get('report')
  async report() {
    const groups = await this.prisma.$replica().session.groupBy({ by: ['status'], _count: true });
    return Object.fromEntries(groups.map(({ status, _count }) => [status, _count]));
  }

  @Get()
  async list(@Query('child', ParseIntPipe) childId: number) {
    return await this.prisma.session.findMany({
      where: { childId },
      orderBy: { examinedAt: 'desc' },
      take: PAGE,
    });
  }

  @Get(':id')
  async show(@Param('id', ParseIntPipe) id: number) {
    return await this.prisma.session.findUniqueOrThrow({
      where: { id },
      include: { steps: { orderBy: { stepNumber: 'asc' } }, child: { select: { fullName: true } } },
    });
  }
}
